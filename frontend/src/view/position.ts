// Positions of a text as what is selected, and the selection kept in the address.

import { get } from "svelte/store";
import { same, type Item, type Selected } from "./selection";
import type { ViewContext } from "./view";

export const POSITION = "position";

export const positionItem = (index: number): Item => ({ kind: POSITION, index });

export const indexOf = (item: Item | null) => (item?.kind === POSITION ? item.index : null);

/** The selected positions; `lit` gives those that light up with the hovered one. */
export function markedPositions(
  { hover, primary, pinned, set }: Selected,
  lit = (hovered: number): readonly number[] => [hovered],
) {
  const hovered = indexOf(hover);
  return {
    hover: new Set(hovered === null ? [] : lit(hovered)),
    primary: indexOf(primary),
    pinned: indexOf(pinned),
    set: new Set(set.flatMap((item) => indexOf(item) ?? [])),
  };
}

/** The selection is kept in the address; each follows the other. */
export function keepInAddress(context: ViewContext): () => void {
  const read = (key: string) => {
    const text = context.state.get(key);
    return text !== null && /^\d{1,6}$/.test(text) ? positionItem(Number(text)) : null;
  };
  const [primary, pinned] = [read("token"), read("pinned")];
  if (primary && !get(context.selection).primary) context.selection.choose(primary);
  if (pinned && !get(context.selection).pinned) context.selection.pin(pinned);
  /** Another address was opened, or a person is followed. */
  const stopState = context.state.subscribe(() => {
    const [wanted, now] = [read("token"), get(context.selection).primary];
    if (wanted && !same(wanted, now)) context.selection.choose(wanted);
  });
  const write = (key: string, item: Item | null) => {
    const text = indexOf(item)?.toString() ?? null;
    if (context.state.get(key) !== text) context.state.set(key, text);
  };
  /** Not at a hover: somebody else may have written there since. */
  let last: Partial<Selected> = {};
  const stopSelection = context.selection.subscribe((selected) => {
    const before = last;
    last = selected;
    if (selected.primary !== before.primary) write("token", selected.primary);
    if (selected.pinned !== before.pinned) write("pinned", selected.pinned);
  });
  return () => {
    stopState();
    stopSelection();
  };
}
