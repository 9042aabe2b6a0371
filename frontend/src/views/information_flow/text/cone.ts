// The causal cone of a state: itself, and later layers at its position and after it.

import type { Region } from "../../../pictures/matrix";

/** Cells of a picture with the last layer on top, in parts that do not overlap. */
export function coneOf(layer: number, column: number, layers: number, columns: number): Region[] {
  const above = layers - 1 - layer;
  const own = { row: above, column, rows: 1, columns: 1 };
  const later = { row: 0, column, rows: above, columns: columns - column };
  return above > 0 ? [later, own] : [own];
}

export const inCone = (
  layer: number,
  column: number,
  of: { layer: number; column: number },
): boolean =>
  (layer > of.layer && column >= of.column) || (layer === of.layer && column === of.column);
