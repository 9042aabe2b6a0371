// The state of each panel, and the part of the address that reproduces it.

import type { ViewState } from "../view/view";

export type Values = Record<string, string>;

/** A view's state in memory; `moved` hears of what the view or its reader changes. */
export function createState(initial: Values, moved: (now: Values) => void): ViewState {
  const values = new Map(Object.entries(initial));
  const listeners = new Set<() => void>();
  return {
    get: (key) => values.get(key) ?? null,
    set(key, value) {
      if ((values.get(key) ?? null) === value) return;
      if (value === null) values.delete(key);
      else values.set(key, value);
      for (const changed of listeners) changed();
      moved(Object.fromEntries(values));
    },
    subscribe(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
  };
}

/** A panel by its number, from 1; without values it shows what it was saved with. */
export interface Place {
  panel: number;
  values: Values | null;
}

export function placeAddress({ panel, values }: Place): string {
  return values ? `#panel-${panel}?${new URLSearchParams(values)}` : `#panel-${panel}`;
}

export function readPlace(hash: string): Place | null {
  const found = /^#panel-(\d{1,4})(?:\?(.*))?$/.exec(hash);
  if (!found) return null;
  const [, number, query] = found;
  const values = query === undefined ? null : Object.fromEntries(new URLSearchParams(query));
  return { panel: Number(number), values };
}
