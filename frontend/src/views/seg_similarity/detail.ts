// Detail of the token that is shown, of the chosen patch and of the mask.

import { get } from "svelte/store";
import { element, facts, tokenText } from "../../pictures/dom";
import { showNumber, showPercent } from "../../pictures/numbers";
import { fromOne } from "../../pictures/ordinal";
import type { ViewContext } from "../../view/view";
import { indexOfCell, indexOfToken } from "./choose";
import { cellSentence, PROMPTS } from "./picture";
import { bestLayer, layerName, measuresAt, type Panel, type Shown } from "./shown";

export function createDetail(root: HTMLElement, context: ViewContext): Panel {
  let shown: Shown | null = null;
  root.tabIndex = 0; // it scrolls on small screens, and holds nothing else to be focused

  function mark(): void {
    if (!shown?.state.tokens) return root.replaceChildren();
    const { hover, primary } = get(context.selection);
    const cell = indexOfCell(hover) ?? indexOfCell(primary);
    root.replaceChildren(
      ...tokenParts(shown, indexOfToken(hover)),
      ...measureParts(shown),
      ...maskParts(shown),
      ...(cell === null ? [] : [element("p", {}, cellSentence(shown, cell))]),
    );
  }

  return {
    render(now) {
      shown = now;
      mark();
    },
    mark,
    destroy: () => {
      root.removeAttribute("tabindex");
      root.replaceChildren();
    },
  };
}

function tokenParts({ state, token }: Shown, hovered: number | null): HTMLElement[] {
  const found = state.tokens?.tokens.find((one) => one.position === hovered) ?? token;
  if (!found) return [];
  const pairs: [string, string | Node][] = [
    ["Position", `${fromOne(found.position)} (${found.answer ? "answer" : "question"})`],
    ["Vocabulary entry", tokenText(found.piece)],
  ];
  if (found.logprob !== null) pairs.push(["Probability", showPercent(Math.exp(found.logprob))]);
  const title = element("h2", { class: "detail-title" }, tokenText(found.text || found.piece));
  return [title, facts(pairs)];
}

function measureParts(shown: Shown): HTMLElement[] {
  const here = measuresAt(shown, shown.layer);
  const best = bestLayer(shown);
  if (!here || best === null) return [];
  return [
    element("h3", {}, `Its map, layer ${layerName(shown.layer, shown.layers)}`),
    facts([
      ["AUC, patch in the target", showNumber(here.auc)],
      ["IoU at half the range", showNumber(here.iou)],
      ["IoU at μ + σ/2", showNumber(here.iouSigma)],
      ["IoU at the true area", showNumber(here.iouArea)],
      ["Highest patch", here.pointing ? "inside" : "outside"],
      ["Best AUC", `${showNumber(measuresAt(shown, best)?.auc ?? 0)}, layer ${best}`],
    ]),
  ];
}

function maskParts({ masked: mask }: Shown): HTMLElement[] {
  if (!mask || mask.source === "none") return [];
  const name = mask.source === "map" ? "Thresholded map" : `Mask ${PROMPTS[mask.source] ?? ""}`;
  const pairs: [string, string][] = [];
  if (mask.iou !== null) pairs.push(["IoU with ground truth", showNumber(mask.iou)]);
  if (mask.quality !== null) pairs.push(["IoU predicted by the decoder", showNumber(mask.quality)]);
  return pairs.length ? [element("h3", {}, name), facts(pairs)] : [];
}
