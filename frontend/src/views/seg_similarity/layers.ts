// Small multiples: the same token's map in every layer, with its measures.

import { get } from "svelte/store";
import { select } from "d3-selection";
import { button, element } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { visible } from "../../pictures/glyphs";
import type { Group } from "../../pictures/layer";
import { showNumber } from "../../pictures/numbers";
import { createSheet, inkOf, mutedOf } from "../../pictures/sheet";
import type { ViewContext } from "../../view/view";
import { createFrame, drawOverlay, sizeOf } from "./overlay";
import { measureText } from "./picture";
import { bestLayer, layerName, measuresAt, type Panel, type Shown } from "./shown";
import { measureTable } from "./tables";

const PARTS = { picture: false, opacity: 1, mask: false, points: false };

export function createLayers(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Layer by layer", "layers", context);
  const list = figure.body.appendChild(element("div", { class: "multiples" }));
  const multiples: ReturnType<typeof createMultiple>[] = [];

  return {
    render(shown) {
      if (!shown.scores) return;
      while (multiples.length < shown.layers) {
        multiples.push(createMultiple(list, multiples.length, context));
      }
      multiples.forEach((multiple) => multiple.render(shown));
      figure.legend.textContent = legendText(shown);
      figure.update(sourceOf(shown, context));
    },
    destroy: figure.destroy,
  };
}

function createMultiple(root: HTMLElement, layer: number, context: ViewContext) {
  const node = button("", () => context.state.set("layer", String(layer)), { class: "multiple" });
  root.append(node);
  const frame = createFrame(node, "multiple-map");
  const name = node.appendChild(element("span", { class: "multiple-name" }));
  const note = node.appendChild(element("span", { class: "muted" }));
  return {
    render(shown: Shown): void {
      const measures = measuresAt(shown, layer);
      frame.fit(sizeOf(shown), "");
      frame.svg.attr("role", null).attr("aria-label", null).attr("aria-hidden", "true");
      drawOverlay(frame.group, shown, layer, PARTS);
      name.textContent = layerName(layer, shown.layers);
      note.textContent = measures ? `AUC ${showNumber(measures.auc)}` : "";
      const said = measures ? `, ${measureText(measures)}` : "";
      node.setAttribute("aria-label", `Layer ${layerName(layer, shown.layers)}${said}`);
      node.setAttribute("aria-pressed", String(layer === shown.layer));
    },
  };
}

function legendText(shown: Shown): string {
  const own =
    "Fill: from the lowest to the highest score of each map; [ and ] step through the layers.";
  const best = bestLayer(shown);
  if (best === null) return own;
  const found = measuresAt(shown, best);
  const name = layerName(best, shown.layers);
  return `${own} Best separation in layer ${name}: ${found ? measureText(found) : ""}. Dashed: ground truth.`;
}

const CELL = 130;

function sourceOf(shown: Shown, context: ViewContext): FigureSource {
  return {
    table: () => measureTable(shown),
    data: () => ({
      token: shown.token,
      reads: shown.reads,
      score: shown.score,
      layers: Array.from({ length: shown.layers }, (_, layer) => measuresAt(shown, layer)),
    }),
    svg: () => {
      const title = `Map of “${visible(shown.token?.text.trim() ?? "")}” (${shown.score}) by layer`;
      const sheet = createSheet(title, shown.theme, get(context.run));
      const columns = Math.min(6, shown.layers);
      for (let layer = 0; layer < shown.layers; layer++) {
        drawMultiple(sheet.body as Group, shown, layer, columns);
      }
      const lines = Math.ceil(shown.layers / columns);
      return sheet.finish(columns * (CELL + 12), lines * (CELL + 44));
    },
  };
}

function drawMultiple(body: Group, shown: Shown, layer: number, columns: number): void {
  const x = (layer % columns) * (CELL + 12);
  const y = Math.floor(layer / columns) * (CELL + 44);
  const group = body.append("g").attr("transform", `translate(${x},${y})`);
  const map = group.append("g").attr("transform", `scale(${CELL / sizeOf(shown).width})`);
  drawOverlay(map as Group, shown, layer, PARTS);
  const measures = measuresAt(shown, layer);
  const lines = [layerName(layer, shown.layers), measures ? `AUC ${showNumber(measures.auc)}` : ""];
  lines.forEach((text, i) =>
    select(group.node() as SVGGElement)
      .append("text")
      .attr("y", CELL + 14 + 14 * i)
      .attr("font-size", 11)
      .attr("fill", i ? mutedOf(shown.theme) : inkOf(shown.theme))
      .text(text),
  );
}
