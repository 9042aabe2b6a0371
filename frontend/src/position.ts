// Positions of a text as what is selected, and the selection kept in the address.

import { get } from "svelte/store";
import type { Item, Selected } from "./selection";
import type { ViewContext } from "./view";

export const POSITION = "position";

export const positionItem = (index: number): Item => ({ kind: POSITION, index });

export const indexOf = (item: Item | null) => (item?.kind === POSITION ? item.index : null);

/** Reads the selection from the address once, and writes it there from then on. */
export function keepInAddress(context: ViewContext): () => void {
  const read = (key: string) => {
    const text = context.state.get(key);
    return text !== null && /^\d{1,6}$/.test(text) ? positionItem(Number(text)) : null;
  };
  const [primary, pinned] = [read("token"), read("pinned")];
  if (primary && !get(context.selection).primary) context.selection.choose(primary);
  if (pinned && !get(context.selection).pinned) context.selection.pin(pinned);
  const write = (key: string, item: Item | null) => {
    const text = indexOf(item)?.toString() ?? null;
    if (context.state.get(key) !== text) context.state.set(key, text);
  };
  /** Not at a hover: somebody else may have written there since. */
  let last: Partial<Selected> = {};
  return context.selection.subscribe((selected) => {
    if (selected.primary !== last.primary) write("token", selected.primary);
    if (selected.pinned !== last.pinned) write("pinned", selected.pinned);
    last = selected;
  });
}
