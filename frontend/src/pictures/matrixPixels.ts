// The cells of a matrix as coloured pixels, one for each.

import { rgb } from "d3-color";
import type { Theme } from "../base/theme";
import { faint, type ColourScale } from "./colour";

export interface Matrix {
  rows: string[];
  columns: string[];
  /** Row-major. */
  values: ArrayLike<number>;
  /** 1 where there is no score, 2 where there will be none any more. */
  masked: Uint8Array;
  /** 1 where the fill is drawn faint. */
  faded?: Uint8Array;
  /** One scale per row; the same one where the limits are shared. */
  scales: ColourScale[];
  theme: Theme;
  /** Signs in cells. */
  signs?: readonly Sign[];
  /** Columns before which a line is drawn. */
  rules?: readonly number[];
}

export interface Sign extends CellAt {
  glyph: string;
  ink: string;
}

export interface CellAt {
  row: number;
  column: number;
}

const STEPS = 511; // odd: the middle entry is exactly zero
/** The two colours of the check pattern where there is no score. */
export const MASK: Record<Theme, readonly [string, string]> = {
  light: ["#e3e6eb", "#cdd2da"],
  dark: ["#2a303a", "#3a424f"],
};

/** One RGBA pixel per cell, through a colour table per distinct scale. */
export function pixels(matrix: Matrix): Uint32Array {
  const { rows, columns, values, masked, faded, scales, theme } = matrix;
  const tables = new Map<string, Uint32Array>();
  const faintTables = new Map<string, Uint32Array>();
  const mask = MASK[theme].map(packed);
  const out = new Uint32Array(rows.length * columns.length);
  rows.forEach((_, row) => {
    const scale = scales[row];
    if (!scale) return;
    const table = tables.get(scale.kind) ?? colourTable(scale);
    tables.set(scale.kind, table);
    const pale = faintTables.get(scale.kind) ?? (faded ? faintTable(scale, theme) : table);
    faintTables.set(scale.kind, pale);
    for (let column = 0; column < columns.length; column++) {
      const at = row * columns.length + column;
      const checked = masked[at] === 2 ? 0 : (row + column) % 2;
      const entry = entryOf(values[at] ?? 0, scale);
      out[at] = (masked[at] ? mask[checked] : (faded?.[at] ? pale : table)[entry]) ?? 0;
    }
  });
  return out;
}

/** Number of the colour of a value in the scale's colour table. */
export function entryOf(value: number, { kind, limit }: ColourScale): number {
  const share = Math.min(1, Math.max(-1, value / (limit || 1)));
  const unit = kind === "diverging" ? (share + 1) / 2 : Math.max(0, share);
  return Math.round(unit * (STEPS - 1));
}

export const colourTable = (scale: ColourScale) => Uint32Array.from(scale.ramp(STEPS), packed);

const faintTable = (scale: ColourScale, theme: Theme) =>
  Uint32Array.from(
    scale.ramp(STEPS).map((colour) => faint(colour, theme)),
    packed,
  );

/** Little-endian RGBA, as an ImageData buffer reads on every browser's machine. */
export function packed(colour: string): number {
  const { r, g, b } = rgb(colour);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** Adjacent cells of one colour. */
export interface Run extends CellAt {
  length: number;
  colour: number;
}

export function runsOf(colours: Uint32Array, row: number, columns: number): Run[] {
  const runs: Run[] = [];
  for (let column = 0; column < columns; column++) {
    const colour = colours[row * columns + column] ?? 0;
    const last = runs.at(-1);
    if (last?.colour === colour) last.length += 1;
    else runs.push({ row, column, length: 1, colour });
  }
  return runs;
}

export const unpacked = (pixel: number) =>
  rgb(pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255).formatHex();
