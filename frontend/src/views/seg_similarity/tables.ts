// The table twins: patch scores, and measures layer by layer.

import { visible } from "../../pictures/glyphs";
import { unitMap } from "../../pictures/heat";
import type { Cell, Table } from "../../pictures/table";
import { layerName, mapAt, measuresAt, SCORES, type Shown } from "./shown";

const nameOf = ({ token }: Shown) => visible(token?.text.trim() || (token?.piece ?? ""));

export function patchTable(shown: Shown): Table {
  const map = mapAt(shown, shown.layer);
  const units = map && unitMap(map);
  const { columns } = shown.grid;
  const rows = Array.from(map ?? [], (score, i): Cell[] => [
    Math.floor(i / columns) + 1,
    (i % columns) + 1,
    score,
    units?.[i] ?? null,
    1 + Array.from(map ?? []).filter((other) => other > score).length,
  ]);
  return {
    caption: `Similarity of patches to ${nameOf(shown)}: ${shown.score}, layer ${layerName(shown.layer, shown.layers)}`,
    columns: ["row", "column", "score", "share of range", "rank"],
    rows,
  };
}

export function measureTable(shown: Shown): Table {
  const rows = Array.from({ length: shown.layers }, (_, layer) =>
    SCORES.map((score): Cell[] => {
      const found = measuresAt(shown, layer, score);
      const numbers = found
        ? [found.auc, found.iou, found.iouSigma, found.iouArea, found.pointing === 1]
        : [null, null, null, null, null];
      return [layer, layerName(layer, shown.layers), score, ...numbers];
    }),
  );
  return {
    caption: `Maps of ${nameOf(shown)} compared with ground truth, by layer and score`,
    columns: [
      "layer",
      "name",
      "score",
      "AUC",
      "IoU at half the range",
      "IoU at μ + σ/2",
      "IoU at the true area",
      "highest patch inside",
    ],
    rows: rows.flat(),
  };
}
