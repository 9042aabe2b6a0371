// Keys: [ ] layer, { } head, p pins, Esc goes back to the mean and clears; arrows belong to what
// has the focus.

import { get } from "svelte/store";
import { viewKey } from "../../view/keys";
import type { ViewContext } from "../../view/view";
import { choosePair, pairItem, pairName, whereText, type Shown } from "./shown";

export function listenToKeys(context: ViewContext, shown: () => Shown): () => void {
  const step = (key: "layer" | "head", by: number) => {
    const now = shown();
    const next = stepped(now[key], by, key === "layer" ? now.layers : now.heads);
    context.state.set(key, next === null ? null : String(next));
    context.announce(whereText(shown()));
  };
  const actions: Record<string, () => void> = {
    "[": () => step("layer", -1),
    "]": () => step("layer", 1),
    "{": () => step("head", -1),
    "}": () => step("head", 1),
    p: () => pin(context, shown()),
    Escape: () => {
      context.selection.clear();
      choosePair(context, null);
      for (const key of ["layer", "head"]) context.state.set(key, null);
    },
  };
  const press = (event: KeyboardEvent) => {
    actions[viewKey(event) ?? ""]?.();
  };
  return context.keys(press);
}

/** The mean comes before the first. */
export function stepped(now: number | null, by: number, count: number): number | null {
  const next = Math.min(count - 1, (now ?? -1) + by);
  return next < 0 ? null : next;
}

function pin(context: ViewContext, shown: Shown): void {
  const pair = shown.pairs[shown.pair ?? -1];
  if (!pair) return;
  context.selection.pin(pairItem(shown.pair ?? 0));
  const pinned = get(context.selection).pinned !== null;
  context.announce(pinned ? `Pinned: ${pairName(shown, pair)}` : "Nothing pinned");
}
