// κ, τ and W that the table of delayed decoding supports for this model.

import { get } from "svelte/store";
import type { Delays, Proposal } from "../../gen/local_leap";
import { button, element, say } from "../../pictures/dom";
import type { Cell } from "../../pictures/table";
import type { ViewContext } from "../../view/view";

const LIMITS =
  "From one prompt, without end-of-text positions. Evaluations of one position are correlated, so " +
  "the interval is too narrow. Final means what this run committed, which may be wrong.";

export function createProposal(root: HTMLElement, context: ViewContext) {
  const text = element("p", { class: "readout" });
  const use = button("Use", () => start(), { class: "chip", title: "A new run with these values" });
  const limits = element("p", { class: "note" }, LIMITS);
  const node = root.appendChild(element("div", { class: "proposal" }, text, use, limits));
  let shown: Proposal | null = null;

  function start(): void {
    if (!shown) return;
    const { kappa, tau, width } = shown;
    context.rerun?.({ decoder: "local_leap", kappa, tau, width, forced: [] });
  }

  return {
    render(delayedDecoding: Delays): void {
      shown = proposalOf(delayedDecoding);
      node.hidden = shown === null;
      say(text, shown?.sentence ?? "");
      use.hidden = !context.rerun || shown?.verdict !== "proposed" || isOfRun(shown, context);
    },
  };
}

/** Traces from before it came have none. */
const proposalOf = ({ proposal = null }: Partial<Delays>): Proposal | null => proposal;

function isOfRun({ kappa, tau, width }: Proposal, context: ViewContext): boolean {
  const { params, defaults } = get(context.run);
  const ran = { ...defaults, ...params };
  const same = ran.kappa === kappa && ran.tau === tau && ran.width === width;
  return same && ran.decoder === "local_leap";
}

/** Rows of the figure's table: the counts behind the proposal, and its verdict. */
export function proposalRows(delayedDecoding: Delays): Cell[][] {
  const found = proposalOf(delayedDecoding);
  if (!found) return [];
  const { kappa, tau, width, looks, consistent, verdict } = found;
  const which = `κ ${kappa}, τ ${tau}, W ${width}: ${verdict}`;
  return [["proposal", which, looks, consistent, looks ? consistent / looks : null, null]];
}
