import { describe, expect, it } from "vitest";
import { cellsBetween, cellsOf } from "../../../src/views/seg_similarity/regionCells";

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

describe("tools", () => {
  const columns = 8;
  const cell = (row: number, column: number) => at(row, column, columns);
  const sorted = (cells: number[]) => [...cells].sort((a, b) => a - b);
  const block = (rows: [number, number], across: [number, number]) => {
    const cells: number[] = [];
    for (let row = rows[0]; row <= rows[1]; row++)
      for (let column = across[0]; column <= across[1]; column++) cells.push(cell(row, column));
    return cells;
  };

  it.each([
    [cell(1, 2), cell(4, 6)],
    [cell(4, 6), cell(1, 2)],
    [cell(4, 2), cell(1, 6)],
  ])("a rectangle spans its two corners, whichever comes first: %i, %i", (from, to) => {
    expect(sorted(cellsOf("rectangle", [from, 0, 63, to], columns))).toEqual(block([1, 4], [2, 6]));
  });

  it("a lasso holds its line and all inside, closed from its end to its start", () => {
    const corners = [cell(1, 1), cell(1, 6), cell(5, 6), cell(5, 1)];
    expect(sorted(cellsOf("lasso", corners, columns))).toEqual(block([1, 5], [1, 6]));
    const diamond = cellsOf("lasso", [cell(0, 3), cell(3, 6), cell(6, 3), cell(3, 0)], columns);
    expect(diamond).toHaveLength(1 + 3 + 5 + 7 + 5 + 3 + 1);
    expect(diamond).not.toContain(cell(0, 0));
  });

  it("a lasso along the picture's edge holds what lies between", () => {
    const around = [cell(0, 0), cell(0, 7), cell(7, 7), cell(7, 0)];
    expect(cellsOf("lasso", around, columns)).toHaveLength(64);
    expect(cellsOf("lasso", [cell(0, 0)], columns)).toEqual([0]);
    expect(sorted(cellsOf("lasso", [cell(2, 1), cell(2, 5)], columns))).toEqual(
      block([2, 2], [1, 5]),
    );
  });

  it("a brush holds its line alone", () => {
    expect(cellsOf("brush", [cell(0, 0), cell(0, 3), cell(3, 3)], columns)).toHaveLength(7);
  });
});
