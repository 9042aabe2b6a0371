// Choosing a position, and keeping the choice in the address.

import { get } from "svelte/store";
import type { Item } from "../../selection";
import type { ViewContext } from "../../view";
import { POSITION } from "./shown";
import type { State } from "./state";

export const positionItem = (index: number): Item => ({ kind: POSITION, index });

export const indexOf = (item: Item | null) => (item?.kind === POSITION ? item.index : null);

/** Number of the output token at a position; null in the prompt. */
export function outputAt({ output }: State, position: number): number | null {
  const found = output?.steps.findIndex((step) => step.position === position) ?? -1;
  return found < 0 ? null : found;
}

/** The position becomes primary; an output token also becomes the target that is shown. */
export function choosePosition(context: ViewContext, state: State, position: number): void {
  context.selection.choose(positionItem(position));
  const output = outputAt(state, position);
  if (output !== null) context.state.set("target", String(output));
}

/** A stretch of the output, or of the prompt, by where it began. */
export function chooseSpan(context: ViewContext, state: State, from: number, to: number): void {
  const inOutput = (position: number) => position >= state.promptLength;
  const [low, high] = from < to ? [from, to] : [to, from];
  const positions = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const kept = positions.filter((position) => inOutput(position) === inOutput(from));
  context.selection.choose(positionItem(from));
  context.selection.chooseSet(kept.map(positionItem));
}

/** Reads the selection from the address once, and writes it there from then on. */
export function keepInAddress(context: ViewContext): () => void {
  const read = (key: string) => {
    const index = Number(context.state.get(key) ?? NaN);
    return Number.isInteger(index) && index >= 0 ? positionItem(index) : null;
  };
  const [primary, pinned] = [read("token"), read("pinned")];
  if (primary && !get(context.selection).primary) context.selection.choose(primary);
  if (pinned && !get(context.selection).pinned) context.selection.pin(pinned);
  const write = (key: string, item: Item | null) => {
    const text = indexOf(item)?.toString() ?? null;
    if (context.state.get(key) !== text) context.state.set(key, text);
  };
  return context.selection.subscribe((selected) => {
    write("token", selected.primary);
    write("pinned", selected.pinned);
  });
}
