// Choosing a position, and keeping the choice in the address.

import { positionItem } from "../../view/position";
import type { ViewContext } from "../../view/view";
import type { State } from "./state";

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
