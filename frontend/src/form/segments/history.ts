// Undo and redo of whole values.

export interface History<Value> {
  readonly past: readonly Value[];
  readonly now: Value;
  readonly future: readonly Value[];
  /** What the last change was part of; changes of one part are undone as one. */
  readonly part: string | null;
}

const LONGEST = 200;

export const begun = <Value>(now: Value): History<Value> => ({
  past: [],
  now,
  future: [],
  part: null,
});

/** A change forgets what was undone. The same value is no change. */
export function changed<Value>(
  history: History<Value>,
  now: Value,
  part: string | null = null,
): History<Value> {
  if (now === history.now) return history;
  const joined = part !== null && part === history.part;
  const past = joined ? history.past : [...history.past, history.now].slice(-LONGEST);
  return { past, now, future: [], part };
}

export function undone<Value>({ past, now, future, ...rest }: History<Value>): History<Value> {
  const last = past.at(-1);
  if (last === undefined) return { past, now, future, ...rest };
  return { past: past.slice(0, -1), now: last, future: [now, ...future], part: null };
}

export function redone<Value>({ past, now, future, ...rest }: History<Value>): History<Value> {
  const [next, ...later] = future;
  if (next === undefined) return { past, now, future, ...rest };
  return { past: [...past, now], now: next, future: later, part: null };
}
