// Why a token was committed: a glyph, a label and a palette slot for each reason.

import type { Commit } from "../../gen/local_leap";
import type { Category } from "../../pictures/swatch";

export type Reason = Commit["reason"];

interface Sign {
  glyph: string;
  label: string;
}

export const REASONS: Record<Reason, Sign> = {
  anchor: { glyph: "▲", label: "anchor" },
  leap: { glyph: "●", label: "leap" },
  fallback: { glyph: "◆", label: "fallback" },
  eos_fill: { glyph: "■", label: "end-of-text fill" },
  most_confident: { glyph: "★", label: "most confident" },
  threshold: { glyph: "△", label: "threshold" },
  factor: { glyph: "▽", label: "factor" },
  entropy_bound: { glyph: "◇", label: "entropy bound" },
  stable: { glyph: "□", label: "stable (KLASS)" },
  forced: { glyph: "✎", label: "forced by you" },
};
export const NEAR_MISS: Sign = { glyph: "○", label: "near miss" };

const ORDER = Object.keys(REASONS) as Reason[];

/** Those that occur, each with a place in the palette that it keeps. */
export function categoriesOf(reasons: Iterable<Reason>): (Category & { key: Reason })[] {
  const present = new Set(reasons);
  return ORDER.filter((reason) => present.has(reason)).map((reason) => {
    const { glyph, label } = REASONS[reason];
    return { key: reason, label: `${glyph} ${label}`, slot: ORDER.indexOf(reason) };
  });
}

export const signsText = (reasons: Iterable<Reason>): string =>
  categoriesOf(reasons)
    .map((category) => category.label)
    .join(", ");
