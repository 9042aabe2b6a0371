// "Continue from this trial": a new run with one more forced decision.

import { button } from "../../pictures/dom";
import type { ViewContext } from "../../view/view";
import { withDecision, type Decision } from "./branches";
import type { Trace } from "./traces";

/** Decoders that accept forced decisions; the others sample whole outputs. */
const BRANCHING = new Set([
  "cntp",
  "greedy",
  "sampling",
  "min_p",
  "local_leap",
  "vanilla",
  "fixed",
  "threshold",
  "factor",
  "entropy_bound",
  "klass",
]);

export const canBranch = (context: ViewContext, { start }: Trace): boolean =>
  context.rerun !== undefined && BRANCHING.has(start.decoder);

/** null where no new run can be made. */
export function branchButton(
  text: string,
  hint: string,
  { start }: Trace,
  decision: Decision,
  context: ViewContext,
): HTMLElement | null {
  const { rerun } = context;
  if (!rerun || !BRANCHING.has(start.decoder)) return null;
  const take = () => {
    rerun({ decoder: start.decoder, forced: withDecision(start.forced, decision) });
  };
  return button(text, take, { title: hint });
}
