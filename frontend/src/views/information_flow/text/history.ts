// Undo and redo of an edit.

export interface History<Value> {
  past: readonly Value[];
  now: Value;
  future: readonly Value[];
}

export const begin = <Value>(now: Value): History<Value> => ({ past: [], now, future: [] });

export const edit = <Value>({ past, now }: History<Value>, next: Value): History<Value> => ({
  past: [...past, now],
  now: next,
  future: [],
});

export function undone<Value>({ past, now, future }: History<Value>): History<Value> {
  const [last] = past.slice(-1);
  if (past.length === 0) return { past, now, future };
  return { past: past.slice(0, -1), now: last as Value, future: [now, ...future] };
}

export function redone<Value>({ past, now, future }: History<Value>): History<Value> {
  const [next, ...rest] = future;
  if (future.length === 0) return { past, now, future };
  return { past: [...past, now], now: next as Value, future: rest };
}
