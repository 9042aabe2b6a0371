// The token strip for export, laid out again as SVG text that wraps.

import type { Group } from "./layer";
import { visible } from "./glyphs";
import { inkOf, measure, mutedOf, ruleOf, writeLines } from "./sheet";
import { AGAINST } from "./support";
import { foldedSections, lengthOf, STRONGEST } from "./stripFold";
import type { StripSection, StripToken } from "./tokenStrip";
import type { Theme } from "../base/theme";

const SIZE = 14;
const PAD = 3;
const BOX = 22;
const ROW = 32;
const LABEL = 18;
const RIBBON = 16;
const BADGE = 11;

interface Placed {
  token: StripToken;
  x: number;
  y: number;
  width: number;
}

/** Draws the sections one below the other; returns the size taken. */
export function drawStrip(group: Group, given: StripSection[], width: number, theme: Theme) {
  let top = 0;
  const sections = foldedSections(given);
  defineHatch(group, theme);
  for (const section of sections) {
    const label = { y: top + 11, width, size: 11, ink: mutedOf(theme) };
    const below = top + writeLines(group, section.label, label) + LABEL - 14;
    const above = section.tokens.reduce((most, token) => Math.max(most, aboveOf(token)), 0);
    const placed = place(section.tokens, width, below + above, ROW + above);
    for (const one of placed) drawToken(group, one, theme);
    top = Math.max(below, ...placed.map((one) => one.y)) + ROW + 6;
  }
  if (sections !== given) {
    const note = { y: top + 11, width, size: 11, ink: mutedOf(theme) };
    top += writeLines(group, foldedText(given), note) + 6;
  }
  return { width, height: top };
}

const foldedText = (sections: readonly StripSection[]) =>
  `Folded to the ${STRONGEST} strongest with their context: the table holds all ` +
  `${lengthOf(sections).toLocaleString("en")} tokens.`;

/** Height above the box: a bar, and what is said of the token above that. */
const aboveOf = ({ ribbon, badge }: StripToken) => (ribbon ? RIBBON : 0) + (badge ? BADGE : 0);

function defineHatch(group: Group, theme: Theme): void {
  const hatch = group.append("defs").append("pattern").attr("id", "hatch");
  hatch.attr("width", 5).attr("height", 5).attr("patternUnits", "userSpaceOnUse");
  hatch.attr("patternTransform", "rotate(45)");
  hatch.append("rect").attr("width", 1.5).attr("height", 5).attr("fill", ruleOf(theme));
}

function place(tokens: readonly StripToken[], width: number, top: number, row: number): Placed[] {
  let x = 0;
  let y = top;
  return tokens.map((token) => {
    const size = measure(shown(token), SIZE) + 2 * PAD;
    if (x > 0 && x + size > width) [x, y] = [0, y + row];
    const placed = { token, x, y, width: size };
    x += size + 1;
    if (token.text.includes("\n")) [x, y] = [0, y + row];
    return placed;
  });
}

const shown = (token: StripToken) => (token.text ? visible(token.text) : visible(token.piece));

function drawToken(group: Group, { token, x, y, width }: Placed, theme: Theme): void {
  const box = group.append("g").attr("transform", `translate(${x},${y})`);
  box.append("title").text(token.label);
  box
    .append("rect")
    .attr("width", width)
    .attr("height", BOX)
    .attr("rx", 3)
    .attr("fill", token.state === "masked" ? "url(#hatch)" : (token.fill ?? "none"))
    .attr("stroke", token.state === "outside" ? mutedOf(theme) : "none")
    .attr("stroke-dasharray", "2 2")
    .attr("stroke-opacity", 0.6);
  box
    .append("text")
    .attr("x", PAD)
    .attr("y", 15.5)
    .attr("font-size", SIZE)
    .attr("fill", token.ink ?? inkOf(theme))
    .text(shown(token));
  if (token.target) line(box as Group, 0, width, BOX + 1, inkOf(theme), 2);
  if (token.joined) line(box as Group, 0, width + 1, BOX, mutedOf(theme), 1);
  if (token.band) drawBand(box as Group, token.band, width, theme);
  if (token.ribbon) drawRibbon(box as Group, token, width);
  if (token.against) corner(box as Group, width, token.ink ?? inkOf(theme));
  if (token.badge) drawBadge(box as Group, token, theme);
}

function corner(box: Group, width: number, ink: string): void {
  const sign = box
    .append("text")
    .attr("x", width - 1)
    .attr("y", 6)
    .text(AGAINST);
  sign.attr("text-anchor", "end").attr("font-size", 8).attr("fill", ink);
}

function drawBadge(box: Group, { badge = "", ribbon }: StripToken, theme: Theme): void {
  const y = ribbon ? -3 - RIBBON : -3;
  const words = box.append("text").attr("y", y).attr("font-size", 9.5).text(badge);
  words.attr("fill", inkOf(theme)).attr("font-weight", 600);
}

function drawRibbon(box: Group, { ribbon }: StripToken, width: number): void {
  const height = (ribbon?.share ?? 0) * (RIBBON - 2);
  const bar = box
    .append("rect")
    .attr("y", -1 - height)
    .attr("width", width)
    .attr("height", height);
  bar.attr("fill", ribbon?.colour ?? "none");
}

function drawBand(
  box: Group,
  band: NonNullable<StripToken["band"]>,
  width: number,
  theme: Theme,
): void {
  const y = BOX + 4;
  line(box, band.zero * width - 0.5, band.zero * width + 0.5, y, mutedOf(theme), 5);
  line(box, band.low * width, Math.max(band.high, band.low + 0.02) * width, y, inkOf(theme), 2.5);
}

function line(box: Group, x1: number, x2: number, y: number, ink: string, thick: number): void {
  const stroke = box.append("line").attr("x1", x1).attr("x2", x2).attr("y1", y).attr("y2", y);
  stroke.attr("stroke", ink).attr("stroke-width", thick);
}
