import { expect, it } from "vitest";
import { LABEL, labelled } from "../../src/pictures/matrixLabels";

it("labels every row that has room, and else those of the largest values without overlap", () => {
  expect(labelled([0, 3, 1], 24)).toEqual([0, 1, 2]);
  for (const [rows, pitch] of [
    [42, 10],
    [144, 4],
    [512, 1],
  ] as const) {
    const weights = Array.from({ length: rows }, (_, i) => (i === 7 ? 5 : i % 3));
    const places = labelled(weights, pitch);
    expect(places).toContain(7);
    const gaps = places.slice(1).map((at, i) => (at - (places[i] ?? 0)) * pitch);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(LABEL.least);
    expect(Math.max(...gaps)).toBeLessThan(4 * LABEL.least);
  }
});
