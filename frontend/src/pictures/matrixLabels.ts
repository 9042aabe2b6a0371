// Names of a matrix's rows and columns: all where they fit, else those of the largest values.

import type { Selection as Joined } from "d3-selection";
import { layer } from "./layer";
import type { Matrix } from "./matrixPixels";
import { fit, mutedOf } from "./sheet";

export const LABEL = { size: 11, row: 110, column: 72, least: 11 };

/** Places of the labels: none nearer to another than one label needs, the largest values first. */
export function labelled(weights: readonly number[], pitch: number): number[] {
  const apart = Math.ceil(LABEL.least / pitch);
  const order = weights.map((_, i) => i).sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0));
  const taken = new Set<number>();
  const isFree = (at: number) => {
    for (let by = 1 - apart; by < apart; by++) if (taken.has(at + by)) return false;
    return true;
  };
  for (const at of order) if (isFree(at)) taken.add(at);
  return [...taken].sort((a, b) => a - b);
}

/** Largest magnitude of each row and each column, masked cells aside. */
function weightsOf({ rows, columns, values, masked }: Matrix) {
  const [across, down] = [rows.map(() => 0), columns.map(() => 0)];
  for (let row = 0; row < rows.length; row++) {
    for (let column = 0; column < columns.length; column++) {
      const at = row * columns.length + column;
      const size = masked[at] ? 0 : Math.abs(values[at] ?? 0);
      across[row] = Math.max(across[row] ?? 0, size);
      down[column] = Math.max(down[column] ?? 0, size);
    }
  }
  return { across, down };
}

interface Place {
  left: number;
  top: number;
  cellWidth: number;
  cellHeight: number;
}

export type Labels = Joined<SVGGElement, unknown, null, undefined>;

export function drawLabels(group: Labels, matrix: Matrix, layout: Place): void {
  const { rows, columns, theme } = matrix;
  const { left, top, cellWidth, cellHeight } = layout;
  const { across, down } = weightsOf(matrix);
  layer(group, "rows")
    .selectAll("text.row")
    .data(labelled(across, cellHeight))
    .join("text")
    .attr("class", "row")
    .attr("x", left - 6)
    .attr("y", (at) => top + (at + 0.5) * cellHeight)
    .attr("dy", "0.35em")
    .attr("text-anchor", "end")
    .attr("font-size", LABEL.size)
    .attr("fill", mutedOf(theme))
    .text((at) => fit(rows[at] ?? "", left - 10, LABEL.size));
  layer(group, "columns")
    .selectAll("text.column")
    .data(labelled(down, cellWidth))
    .join("text")
    .attr("class", "column")
    .attr(
      "transform",
      (at) => `translate(${left + (at + 0.5) * cellWidth + 4},${top - 5}) rotate(-60)`,
    )
    .attr("font-size", LABEL.size)
    .attr("fill", mutedOf(theme))
    .text((at) => fit(columns[at] ?? "", LABEL.column, LABEL.size));
}
