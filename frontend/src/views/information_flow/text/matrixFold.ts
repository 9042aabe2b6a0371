// Rows and columns of the flow matrix in which nothing is to be seen, left out of the picture.

import { element } from "../../../pictures/dom";
import type { Matrix } from "../../../pictures/matrixPixels";
import { showNumber } from "../../../pictures/numbers";
import { counted } from "../../../base/plural";

/** Below this share of the largest value a cell has the colour of 0. */
const UNSEEN = 1 / 256;
const WORTH = 4; // rows and columns together; fewer are shown

export interface Fold {
  /** Groups whose rows and columns are drawn, in order. */
  rows: readonly number[];
  columns: readonly number[];
  /** What no folded cell reaches. */
  bound: number;
}

export const foldedIn = (matrix: Matrix, { rows, columns }: Fold) => ({
  rows: matrix.rows.length - rows.length,
  columns: matrix.columns.length - columns.length,
});

/** `kept` are cells that are drawn whatever they hold, the last row among them. */
export function foldOf(matrix: Matrix, kept: readonly { row: number; column: number }[]): Fold {
  const { values, masked, columns, rows } = matrix;
  const limit = Math.max(0, ...matrix.scales.map((scale) => scale.limit));
  const bound = limit * UNSEEN;
  const seen = (at: number) => !masked[at] && Math.abs(values[at] ?? 0) > bound;
  const at = (row: number, column: number) => row * columns.length + column;
  const across = rows.map((_, row) => columns.some((_, column) => seen(at(row, column))));
  const down = columns.map((_, column) => rows.some((_, row) => seen(at(row, column))));
  across[rows.length - 1] = true;
  for (const { row, column } of kept) across[row] = down[column] = true;
  const fold = { rows: placesOf(across), columns: placesOf(down), bound };
  const left = foldedIn(matrix, fold);
  const empty = fold.columns.length === 0;
  return empty || left.rows + left.columns < WORTH ? unfolded(matrix) : fold;
}

export const unfolded = ({ rows, columns }: Matrix): Fold => ({
  rows: rows.map((_, row) => row),
  columns: columns.map((_, column) => column),
  bound: 0,
});

const placesOf = (shown: readonly boolean[]) => shown.flatMap((one, place) => (one ? place : []));

/** The matrix of the rows and columns that are left. */
export function folded(matrix: Matrix, { rows, columns }: Fold): Matrix {
  const width = matrix.columns.length;
  const cells = rows.flatMap((row) => columns.map((column) => row * width + column));
  const signs = matrix.signs?.map((sign) => ({
    ...sign,
    row: rows.indexOf(sign.row),
    column: columns.indexOf(sign.column),
  }));
  return {
    ...matrix,
    rows: rows.map((row) => matrix.rows[row] ?? ""),
    columns: columns.map((column) => matrix.columns[column] ?? ""),
    values: Float64Array.from(cells, (at) => matrix.values[at] ?? 0),
    masked: Uint8Array.from(cells, (at) => matrix.masked[at] ?? 0),
    faded: Uint8Array.from(cells, (at) => matrix.faded?.[at] ?? 0),
    scales: rows.flatMap((row) => matrix.scales[row] ?? []),
    signs: signs ?? [],
  };
}

/** "12 rows and 3 columns without an effect above 0.041 nats". */
export function foldText(matrix: Matrix, fold: Fold, unit: string): string {
  const left = foldedIn(matrix, fold);
  const parts = [
    left.rows && counted(left.rows, "row"),
    left.columns && counted(left.columns, "column"),
  ];
  return `${parts.filter(Boolean).join(" and ")} without an effect above ${showNumber(fold.bound)} ${unit}`;
}

/** The button below the matrix: hidden where there is nothing to fold. */
export function createFoldButton(toggle: () => void) {
  const node = element("button", { type: "button", class: "quiet fold" });
  node.addEventListener("click", toggle);
  return {
    node,
    show(matrix: Matrix, fold: Fold, unit: string, whole: boolean): void {
      node.hidden = fold.bound === 0;
      node.textContent = `${whole ? "Fold" : "Show"} ${foldText(matrix, fold, unit)}`;
      node.setAttribute("aria-expanded", String(whole));
    },
  };
}
