// What the fill of the canvas says: in which step a token was written, or how probable it was.

import { sequential, type ColourScale } from "../../pictures/colour";
import type { Legend } from "../../pictures/legend";
import { fromOne } from "../../pictures/ordinal";
import type { Theme } from "../../base/theme";
import type { Place } from "./moment";

export const FILLS = ["order committed", "confidence"] as const;
export type Fill = (typeof FILLS)[number];

export const fillOf = (text: string | null): Fill =>
  text === "confidence" ? "confidence" : "order committed";

export interface Filling {
  fill: Fill;
  scale: ColourScale;
}

/** `steps`: of the whole trace, so that a token keeps its colour while the canvas is played. */
export const fillingOf = (fill: Fill, steps: number, theme: Theme): Filling => ({
  fill,
  scale: sequential(fill === "confidence" ? 1 : Math.max(1, steps), theme),
});

/** Colour of a place; empty: it has none yet. */
export function colourOf({ fill, scale }: Filling, { step, confidence }: Place): string {
  const value = fill === "confidence" ? confidence : step === null ? null : fromOne(step);
  return value === null ? "" : scale.colour(value);
}

export function fillLegend({ fill, scale }: Filling): Omit<Legend, "notes"> {
  if (fill === "confidence")
    return { scale, unit: "confidence, the probability of the token", normalisation: "0 to 1" };
  return {
    scale,
    unit: "number of the step that committed the token",
    normalisation: "the steps of this trace",
  };
}
