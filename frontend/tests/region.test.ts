import { expect, it } from "vitest";
import { cellsBetween } from "../src/views/seg_similarity/region";

const at = (row: number, column: number, columns: number) => row * columns + column;

it("draws every patch between two events of a quick pointer, without a gap", () => {
  expect(cellsBetween(at(0, 0, 8), at(4, 4, 8), 8)).toEqual([0, 9, 18, 27, 36]);
  expect(cellsBetween(5, 5, 8)).toEqual([5, 5]);
  for (const columns of [3, 8, 13]) {
    for (let from = 0; from < 5 * columns; from++) {
      for (let to = 0; to < 5 * columns; to++) {
        const way = cellsBetween(from, to, columns);
        expect([way[0], way.at(-1)]).toEqual([from, to]);
        const apart = way.slice(1).map((cell, i) => {
          const before = way[i] ?? 0;
          const rows = Math.abs(Math.floor(cell / columns) - Math.floor(before / columns));
          return Math.max(rows, Math.abs((cell % columns) - (before % columns)));
        });
        expect(Math.max(...apart)).toBeLessThanOrEqual(1);
      }
    }
  }
});
