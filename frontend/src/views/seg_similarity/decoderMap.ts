// The second map: what the mask decoder's own queries look at.

import { get } from "svelte/store";
import type { Numbers } from "../../net/arrays";
import { sequential } from "../../pictures/colour";
import { element } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { heatAddress, visiblePart } from "../../pictures/heat";
import type { Group } from "../../pictures/layer";
import { showNumber } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import type { Cell, Table } from "../../pictures/table";
import type { ResourceCache } from "../../view/resourceCache";
import type { ViewContext } from "../../view/view";
import { createFrame, sizeOf } from "./overlay";
import { boxOf, type Panel, type Shown } from "./shown";

const QUERIES = ["the token's state", "the mask's token"] as const;

export function createDecoderMap(
  root: HTMLElement,
  context: ViewContext,
  resources: ResourceCache,
): Panel {
  const figure = createFigure(root, "Similarity map of the mask decoder", "decoder", context);
  const list = figure.body.appendChild(element("div", { class: "multiples two" }));
  const frames = QUERIES.map((name) => {
    const box = list.appendChild(element("div", { class: "second-map" }));
    const frame = createFrame(box, "multiple-map");
    box.append(element("span", { class: "multiple-name" }, name));
    const note = box.appendChild(element("span", { class: "muted" }));
    return { frame, note };
  });

  return {
    render(shown) {
      const second = shown.state.decoderMap;
      const scores = second && resources(second.scores.sha256, () => context.arrays(second.scores));
      if (!second || !scores) return figure.hide();
      const ref = second.measures;
      const measures = ref && resources(ref.sha256, () => context.arrays(ref));
      frames.forEach(({ frame, note }, query) => {
        frame.fit(sizeOf(shown), `Map of ${QUERIES[query] ?? ""}`);
        drawMap(frame.group, shown, scores, query);
        note.textContent = measures ? measured(measures, query) : "";
      });
      figure.legend.textContent =
        `Fill: dot product of each cell with the query at the output of the decoder's transformer, from the lowest to the highest score of each map. ` +
        `Agreement with the language model's map: IoU ${showNumber(second.iou)} at half the range, rank correlation ${showNumber(second.rank_correlation)}.`;
      figure.update(sourceOf(shown, context, scores));
    },
    destroy: figure.destroy,
  };
}

function measured(measures: Numbers, query: number): string {
  const at = (measure: number) => measures[measure * QUERIES.length + query] ?? 0;
  return `AUC ${showNumber(at(0))}, IoU ${showNumber(at(1))}`;
}

function drawMap(group: Group, shown: Shown, scores: Numbers, query: number): void {
  const second = shown.state.decoderMap;
  if (!second) return;
  const size = sizeOf(shown);
  const { at, part } = visiblePart(boxOf(second.frame, size), size);
  const patches = second.rows * second.columns;
  const map = scores.subarray(query * patches, (query + 1) * patches);
  const address = heatAddress(map, second, sequential(1, shown.theme), part);
  group
    .selectAll("image")
    .data(address === null ? [] : [address])
    .join("image")
    .attr("x", at[0])
    .attr("y", at[1])
    .attr("width", at[2])
    .attr("height", at[3])
    .attr("preserveAspectRatio", "none")
    .attr("href", (one) => one);
}

function tableOf(shown: Shown, scores: Numbers): Table {
  const columns = shown.state.decoderMap?.columns ?? 1;
  const patches = scores.length / QUERIES.length;
  return {
    caption: "Similarity of the mask decoder's cells to its queries",
    columns: ["row", "column", ...QUERIES],
    rows: Array.from({ length: patches }, (_, i): Cell[] => [
      Math.floor(i / columns) + 1,
      (i % columns) + 1,
      scores[i] ?? null,
      scores[patches + i] ?? null,
    ]),
  };
}

const SIDE = 220;

function sourceOf(shown: Shown, context: ViewContext, scores: Numbers): FigureSource {
  const { decoderMap } = shown.state;
  return {
    table: () => tableOf(shown, scores),
    data: () => ({ ...decoderMap, scores: Array.from(scores), measures: undefined }),
    svg: () => {
      const sheet = createSheet(
        "Similarity map of the mask decoder",
        shown.theme,
        get(context.run),
      );
      const { width, height } = sizeOf(shown);
      const tall = (SIDE * height) / width;
      QUERIES.forEach((name, query) => {
        const column = sheet.body
          .append("g")
          .attr("transform", `translate(${query * (SIDE + 16)},0)`);
        const map = column.append("g").attr("transform", `scale(${SIDE / width})`);
        drawMap(map as Group, shown, scores, query);
        column
          .append("text")
          .attr("y", tall + 16)
          .attr("font-size", 12)
          .text(name);
      });
      return sheet.finish(2 * SIDE + 16, tall + 22);
    },
  };
}
