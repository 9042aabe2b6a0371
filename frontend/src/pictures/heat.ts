// A map of patches laid over a picture, and the outlines of regions.

import { rgb } from "d3-color";
import type { ColourScale } from "./colour";

export interface Grid {
  rows: number;
  columns: number;
}

/** From the least to the greatest value, as 0 to 1; a flat map is 0 everywhere. */
export function unitMap(values: ArrayLike<number>): Float64Array {
  const all = Float64Array.from(values);
  const low = all.reduce((a, b) => Math.min(a, b), Infinity);
  const high = all.reduce((a, b) => Math.max(a, b), -Infinity);
  return all.map((value) => (high > low ? (value - low) / (high - low) : 0));
}

/** Left, top, width and height; of a part of a map, in shares of the whole. */
export type Box = readonly [number, number, number, number];
const WHOLE: Box = [0, 0, 1, 1];

/** Where a map that covers `frame` lies within a picture, and which part of it that is. */
export function visiblePart(
  [left, top, width, height]: Box,
  picture: { width: number; height: number },
): { at: Box; part: Box } {
  const x = Math.max(0, left);
  const y = Math.max(0, top);
  const across = Math.min(picture.width, left + width) - x;
  const down = Math.min(picture.height, top + height) - y;
  return {
    at: [x, y, across, down],
    part: [(x - left) / width, (y - top) / height, across / width, down / height],
  };
}

/** Bilinear, cell centres in the middle of their cells, the borders repeated. */
export function upscale(
  values: ArrayLike<number>,
  { rows, columns }: Grid,
  size: { width: number; height: number },
  part: Box = WHOLE,
): Float64Array {
  const across = places(columns, size.width, part[0], part[2]);
  const down = places(rows, size.height, part[1], part[3]);
  const out = new Float64Array(size.width * size.height);
  down.forEach(([top, bottom, y], row) => {
    across.forEach(([left, right, x], column) => {
      const at = (r: number, c: number) => values[r * columns + c] ?? 0;
      const above = at(top, left) * (1 - x) + at(top, right) * x;
      const below = at(bottom, left) * (1 - x) + at(bottom, right) * x;
      out[row * size.width + column] = above * (1 - y) + below * y;
    });
  });
  return out;
}

/** Per pixel the two cells that it lies between, and how far towards the second. */
function places(
  cells: number,
  pixels: number,
  start: number,
  length: number,
): [number, number, number][] {
  return Array.from({ length: pixels }, (_, pixel) => {
    const middle = cells * (start + (length * (pixel + 0.5)) / pixels) - 0.5;
    const place = Math.min(cells - 1, Math.max(0, middle));
    const first = Math.floor(place);
    return [first, Math.min(cells - 1, first + 1), place - first];
  });
}

const STEPS = 255;
/** Of a side of a painted map; browsers smooth the rest. */
const PIXELS = 192;

/** A PNG address of the map in the scale's colours; null where there is no canvas. */
export function heatAddress(
  values: ArrayLike<number>,
  grid: Grid,
  scale: ColourScale,
  part: Box = WHOLE,
): string | null {
  const canvas = document.createElement("canvas");
  const pixelsPerCell = Math.max(2, Math.min(16, Math.round(PIXELS / grid.columns)));
  canvas.width = Math.max(1, Math.round(part[2] * grid.columns * pixelsPerCell));
  canvas.height = Math.max(1, Math.round(part[3] * grid.rows * pixelsPerCell));
  const context = canvas.getContext("2d");
  if (!context) return null;
  const image = context.createImageData(canvas.width, canvas.height);
  image.data.set(heatPixels(upscale(unitMap(values), grid, canvas, part), scale));
  context.putImageData(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** RGBA of values from 0 to 1. */
export function heatPixels(units: Float64Array, scale: ColourScale): Uint8ClampedArray {
  const table = scale.ramp(STEPS + 1).map((colour) => rgb(colour));
  const out = new Uint8ClampedArray(4 * units.length);
  units.forEach((unit, i) => {
    const colour = table[Math.round(unit * STEPS)];
    if (colour) out.set([colour.r, colour.g, colour.b, 255], 4 * i);
  });
  return out;
}

/** The edges between pixels within a region and pixels without, as an SVG path in pixels. */
export function outlinePath(mask: ArrayLike<number>, width: number, height: number): string {
  const inside = (x: number, y: number) =>
    x >= 0 && y >= 0 && x < width && y < height && Boolean(mask[y * width + x]);
  const level = runs(height + 1, width, (y, x) => inside(x, y) !== inside(x, y - 1));
  const upright = runs(width + 1, height, (x, y) => inside(x, y) !== inside(x - 1, y));
  const parts = [
    ...level.map(([y, x, length]) => `M${x} ${y}h${length}`),
    ...upright.map(([x, y, length]) => `M${x} ${y}v${length}`),
  ];
  return parts.join("");
}

/** Stretches of a line on which something holds: line, start, length. */
function runs(
  lines: number,
  length: number,
  holds: (line: number, at: number) => boolean,
): [number, number, number][] {
  const found: [number, number, number][] = [];
  for (let line = 0; line < lines; line++) {
    let start = -1;
    for (let at = 0; at <= length; at++) {
      const edge = at < length && holds(line, at);
      if (edge && start < 0) start = at;
      if (!edge && start >= 0) {
        found.push([line, start, at - start]);
        start = -1;
      }
    }
  }
  return found;
}
