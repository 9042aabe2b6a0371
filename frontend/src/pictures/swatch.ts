// Fills for categories: a colour and a pattern each, so that neither is needed to tell them apart.

import type { Theme } from "../base/theme";
import { LINES, PALETTES } from "./colour";
import type { Group } from "./layer";
import { inkOf, measure } from "./sheet";

export interface Category {
  key: string;
  label: string;
  /** Its place in the palette, the same in every picture of the view. */
  slot: number;
}

/** Strokes on a tile of 6 × 6, none for the first; all but their starts relative. */
const PATTERNS = [
  "",
  "M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2",
  "M3,0 v6",
  "M0,3 h6",
  "M-1,5 l2,2 M0,0 l6,6 M5,-1 l2,2",
  "M3,0 v6 M0,3 h6",
  "M0,0 l6,6 M6,0 l-6,6",
  "M2,3 h2 M3,2 v2",
] as const; // one more than there are colours

export const colourOf = (slot: number, theme: Theme) =>
  LINES[theme][slot % LINES[theme].length] ?? "";

/** Places in the palette that can be distinguished; colours repeat before patterns do. */
const SLOTS = Array.from({ length: 16 }, (_, slot) => slot);

const idOf = (stem: string, slot: number) => `${stem}-pattern-${slot % SLOTS.length}`;

/** The `fill` of a shape in slot s; needs `definePatterns` of the same stem. */
export const fillOf = (stem: string, slot: number) => `url(#${idOf(stem, slot)})`;

export function definePatterns(group: Group, stem: string, theme: Theme): void {
  const defs = group.selectAll<SVGDefsElement, null>("defs").data([null]).join("defs");
  const tiles = defs
    .selectAll<SVGPatternElement, number>("pattern")
    .data(SLOTS)
    .join((enter) => {
      const tile = enter.append("pattern");
      tile.append("rect").attr("width", 6).attr("height", 6);
      tile.append("path").attr("fill", "none").attr("stroke-width", 1.2);
      return tile;
    })
    .attr("id", (slot) => idOf(stem, slot))
    .attr("width", 6)
    .attr("height", 6)
    .attr("patternUnits", "userSpaceOnUse");
  tiles.select("rect").attr("fill", (slot) => colourOf(slot, theme));
  tiles
    .select("path")
    .attr("d", (slot) => PATTERNS[slot % PATTERNS.length] ?? "")
    .attr("stroke", PALETTES[theme].background);
}

const KEY = { box: 12, gap: 18, line: 18 };

/** The categories by name, in lines as wide as there is room; returns the height taken. */
export function drawCategories(
  group: Group,
  stem: string,
  categories: readonly Category[],
  width: number,
  theme: Theme,
): number {
  let [x, y] = [0, 0];
  const placed = categories.map((category) => {
    const size = KEY.box + 6 + measure(category.label, 11.5) + KEY.gap;
    if (x > 0 && x + size > width) [x, y] = [0, y + KEY.line];
    const at = { category, x, y };
    x += size;
    return at;
  });
  const keys = group
    .selectAll<SVGGElement, (typeof placed)[number]>("g.category")
    .data(placed, (one) => one.category.key)
    .join((enter) => {
      const key = enter.append("g").attr("class", "category");
      key.append("rect").attr("width", KEY.box).attr("height", KEY.box).attr("rx", 2);
      key.append("text").attr("font-size", 11.5);
      key
        .select("text")
        .attr("x", KEY.box + 6)
        .attr("y", 10);
      return key;
    })
    .attr("transform", (one) => `translate(${one.x},${one.y})`);
  keys.select("rect").attr("fill", (one) => fillOf(stem, one.category.slot));
  keys
    .select("text")
    .attr("fill", inkOf(theme))
    .text((one) => one.category.label);
  return categories.length ? y + KEY.line : 0;
}
