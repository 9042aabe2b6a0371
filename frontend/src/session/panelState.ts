// What a panel shows: stored in the session's document for all, unless it is only looked at here.

import { personalKeys } from "../run/views";
import type { ViewState } from "../view/view";

/** The panel's part of the document. */
export interface StoredState {
  get(key: string): string | null;
  keys(): Iterable<string>;
  /** Absent where the document may not be changed. */
  put?: (changes: ReadonlyMap<string, string | null>) => void;
}

export interface PanelState extends ViewState {
  /** All of it, as an address holds it. */
  all(): Record<string, string>;
  /** Shows exactly this, here only. */
  show(state: Record<string, string>): void;
  /** Keys changed in the document. */
  changed(keys: Iterable<string>, local: boolean): void;
  /** Writes what waits to be written. */
  flush(): void;
}

const WRITE_MS = 300;

/** `writes` is asked at each change whether it goes into the document. */
export function createPanelState(
  stored: () => StoredState,
  writes: () => boolean,
  initial: Record<string, string> = {},
): PanelState {
  const here = new Map<string, string | null>(Object.entries(initial));
  const waiting = new Map<string, string | null>();
  const listeners = new Set<() => void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const notify = () => listeners.forEach((changed) => changed());

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const { put } = stored();
    const changes = new Map(waiting);
    waiting.clear();
    if (!put || changes.size === 0) return;
    for (const key of changes.keys()) if (!personalKeys.includes(key)) here.delete(key);
    put(changes);
  }

  const get = (key: string) => (here.has(key) ? (here.get(key) ?? null) : stored().get(key));

  return {
    get,
    set(key, value) {
      if (get(key) === value) return;
      here.set(key, value);
      if (writes() && stored().put) {
        waiting.set(key, value);
        timer ??= setTimeout(flush, WRITE_MS);
      }
      notify();
    },
    subscribe(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    all() {
      const keys = new Set([...stored().keys(), ...here.keys()]);
      const pairs = [...keys].map((key) => [key, get(key)] as const);
      return Object.fromEntries(pairs.filter(([, value]) => value !== null)) as Record<
        string,
        string
      >;
    },
    show(state) {
      waiting.clear();
      for (const key of [...stored().keys(), ...here.keys()]) here.set(key, null);
      for (const [key, value] of Object.entries(state)) here.set(key, value);
      notify();
    },
    changed(keys, local) {
      if (local) return;
      for (const key of keys)
        if (!personalKeys.includes(key) && !waiting.has(key)) here.delete(key);
      notify();
    },
    flush,
  };
}
