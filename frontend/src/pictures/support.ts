// One colour rule for every picture: orange, the output depends on it or gains by it; blue, it
// works against the output.

import type { Theme } from "../base/theme";
import { diverging, LINES, type ColourScale } from "./colour";

/**
 * How a number shows support. "present": what the thing gives, more is support. "removed": how the
 * output changes when the thing is cut, replaced or blanked, so that a drop is support.
 */
export type Measured = "present" | "removed";

/** The same number as support: above 0, the output depends on it. */
export const supportOf = (value: number, measured: Measured): number =>
  measured === "removed" ? 0 - value : value;

/** Colours for signed numbers as they are shown; the legend's axis keeps their own order. */
export function supportScale(limit: number, theme: Theme, measured: Measured): ColourScale {
  const scale = diverging(limit, theme);
  if (measured === "present") return scale;
  return {
    ...scale,
    colour: (value) => scale.colour(supportOf(value, measured)),
    ramp: (samples) => scale.ramp(samples).reverse(),
  };
}

const NEITHER = 2; // of the line colours: grey

/** A line or a mark of one effect; grey where it is 0, as it is shown. */
export function supportLine(value: number, theme: Theme, measured: Measured): string {
  const against = supportOf(value, measured) < 0;
  return LINES[theme][value === 0 ? NEITHER : Number(against)] ?? "";
}

export const AGAINST = "▾";
const LEAST = 0.05; // of the limit; paler fills have no visible hue

/** Whether a token's fill shows that it opposes the output. */
export const worksAgainst = (value: number, { limit, kind }: ColourScale, measured: Measured) =>
  kind === "diverging" && supportOf(value, measured) < -LEAST * limit;

export const AGAINST_WORDS = `${AGAINST} in a token's corner: it opposes the output.`;

export const SUPPORT_WORDS: Record<Measured, string> = {
  present: "Orange: supports the output; blue: opposes it.",
  removed: "Orange: removing it makes the output less probable; blue: more probable.",
};
