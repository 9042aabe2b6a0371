// The selection that all panels share: hover (preview), primary, pinned (reference), set.

import { get, writable, type Readable } from "svelte/store";

/** Something that can be selected; `kind` names the sort, such as "position". */
export interface Item {
  readonly kind: string;
  readonly index: number;
}

export interface Selected {
  readonly hover: Item | null;
  readonly primary: Item | null;
  readonly pinned: Item | null;
  readonly set: readonly Item[];
}

export interface Selection extends Readable<Selected> {
  hover(item: Item | null): void;
  /** Makes the item primary and forgets the set. */
  choose(item: Item | null): void;
  chooseSet(items: readonly Item[]): void;
  /** Pins the item; pinning what is pinned releases it. */
  pin(item: Item | null): void;
  clear(): void;
}

const NOTHING: Selected = { hover: null, primary: null, pinned: null, set: [] };

export function createSelection(initial: Partial<Selected> = {}): Selection {
  const store = writable<Selected>({ ...NOTHING, ...initial });
  const change = (part: Partial<Selected>) => store.update((now) => ({ ...now, ...part }));
  return {
    subscribe: store.subscribe,
    hover: (item) => {
      if (!same(get(store).hover, item)) change({ hover: item });
    },
    choose: (item) => change({ primary: item, set: [] }),
    chooseSet: (items) => change({ set: items }),
    pin: (item) => change({ pinned: same(get(store).pinned, item) ? null : item }),
    clear: () => store.set(NOTHING),
  };
}

export function same(a: Item | null, b: Item | null): boolean {
  return a === b || (a?.kind === b?.kind && a?.index === b?.index);
}
