// Colour scales whose zero is the background, so that "no effect" looks like paper.

import { lab, rgb } from "d3-color";
import { interpolateLab, piecewise } from "d3-interpolate";
import type { Theme } from "../base/theme";

interface Palette {
  background: string;
  positive: readonly [string, string];
  negative: readonly [string, string];
}

/** Half-way and end colours; their lightness changes in one direction from the background on. */
export const PALETTES: Record<Theme, Palette> = {
  light: {
    background: "#ffffff",
    positive: ["#fbc48b", "#d95f02"],
    negative: ["#a5c8ee", "#2468b4"],
  },
  dark: {
    background: "#15181e",
    positive: ["#8a4f1f", "#ffa35c"],
    negative: ["#2c5a8c", "#7cbcff"],
  },
};

export interface ColourScale {
  kind: "diverging" | "sequential";
  /** Values beyond it are clipped; the legend says so. */
  limit: number;
  colour(value: number): string;
  /** Sampled from the low to the high end, for legends and colour tables. */
  ramp(samples: number): string[];
}

/** Signed values: orange above, blue below, symmetric limits, background at exactly 0. */
export function diverging(limit: number, theme: Theme): ColourScale {
  const { background, positive, negative } = PALETTES[theme];
  const above = piecewise(interpolateLab, [background, ...positive]);
  const below = piecewise(interpolateLab, [background, ...negative]);
  const at = (share: number) => hex(share < 0 ? below(-share) : above(share));
  return {
    kind: "diverging",
    limit,
    colour: (value) => at(clamp(value / (limit || 1), -1)),
    ramp: (samples) => sample(samples, (share) => at(2 * share - 1)),
  };
}

/** One-signed values: from the background on, lightness in one direction. */
export function sequential(limit: number, theme: Theme): ColourScale {
  const { background, positive } = PALETTES[theme];
  const above = piecewise(interpolateLab, [background, ...positive]);
  return {
    kind: "sequential",
    limit,
    colour: (value) => hex(above(clamp(value / (limit || 1), 0))),
    ramp: (samples) => sample(samples, (share) => hex(above(share))),
  };
}

const FAINT_SHARE = 0.3;

/** A fill that cannot be distinguished from chance: most of the way back to the background. */
export function faint(colour: string, theme: Theme): string {
  return hex(interpolateLab(PALETTES[theme].background, colour)(FAINT_SHARE));
}

function sample(samples: number, at: (share: number) => string): string[] {
  return Array.from({ length: samples }, (_, i) => at(i / (samples - 1)));
}

const clamp = (share: number, low: number) => Math.min(1, Math.max(low, share));
const hex = (colour: string) => rgb(colour).formatHex();

/** Largest absolute value among those shown. */
export function limitOf(values: Iterable<number>): number {
  let limit = 0;
  for (const value of values) limit = Math.max(limit, Math.abs(value));
  return limit;
}

/** Black or white, whichever reads better; one of them always reaches 4.5 : 1. */
export function inkOn(background: string): "#000000" | "#ffffff" {
  return relativeLuminance(background) > 0.179 ? "#000000" : "#ffffff";
}

function relativeLuminance(colour: string): number {
  const { r, g, b } = rgb(colour);
  const [red, green, blue] = [r, g, b].map((channel) => linear(channel / 255));
  return 0.2126 * (red ?? 0) + 0.7152 * (green ?? 0) + 0.0722 * (blue ?? 0);
}

const linear = (c: number) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);

export const lightness = (colour: string) => lab(colour).l;

/** Line colours that stay apart for the colour-blind, each also with a dash of its own. */
export const LINES: Record<Theme, readonly string[]> = {
  light: ["#b84d00", "#1f5fa8", "#5b6472", "#7a3f9a", "#00736b", "#8c6500", "#a8325a"],
  dark: ["#ffa35c", "#7cbcff", "#a7b0be", "#cf9ff0", "#4fc9bd", "#e0bb4c", "#f58fb1"],
};
export const DASHES = ["", "6 3", "2 3", "8 3 2 3", "1 2", "10 4", "4 2 1 2"] as const;
