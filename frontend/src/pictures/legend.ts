// What the colours mean: limits, clipping, normalisation, unit, and what has no score.

import { select, type Selection as Joined } from "d3-selection";
import type { ColourScale } from "./colour";
import type { Group } from "./layer";
import { showLimit } from "./numbers";
import { writeLines } from "./sheet";

export interface Legend {
  scale: ColourScale;
  unit: string;
  /** "this row", "each row separately", "the whole map". */
  normalisation: string;
  /** What lies beyond the limits; without it nothing does. */
  clipped?: string;
  /** Sentences on what the fill does not say. */
  notes: string[];
}

const RAMP = { width: 160, height: 10, samples: 41 };

export function renderLegend(root: HTMLElement, legend: Legend): void {
  const holder = select(root).selectAll(".ramp").data([legend]).join("div");
  holder.attr("class", "ramp");
  const svg = holder.selectAll<SVGSVGElement, Legend>("svg").data([legend]).join("svg");
  svg
    .attr("width", RAMP.width)
    .attr("height", RAMP.height + 16)
    .attr("aria-hidden", "true");
  const group = svg.selectAll<SVGGElement, Legend>("g.key").data([legend]).join("g");
  drawRamp(group.attr("class", "key").attr("fill", "currentColor"), legend);
  const words = select(root).selectAll(".legend-text").data([legend]).join("p");
  words.attr("class", "legend-text").text(legendText);
}

export function legendText(legend: Legend): string {
  const { limit, kind } = legend.scale;
  const low = kind === "diverging" ? `−${showLimit(limit)}` : "0";
  const limits = `Fill: ${low} to ${showLimit(limit)} ${legend.unit}`;
  const scaled = `limits from ${legend.normalisation}, ${legend.clipped ?? "nothing clipped"}`;
  return [`${limits}; ${scaled}.`, ...legend.notes].join(" ");
}

const BESIDE = 200; // least width of words beside the ramp; in less they stand below it

/** Ramp and words below a picture that leaves the page; returns the height they take. */
export function drawKey(body: Group, legend: Legend, top: number, width: number): number {
  const key = body.append("g").attr("transform", `translate(0,${top + 10})`);
  drawRamp(key.datum(legend), legend);
  const beside = width - RAMP.width - 16;
  const [x, y] = beside >= BESIDE ? [RAMP.width + 16, 20] : [0, 52];
  const room = Math.max(BESIDE, width - x);
  return Math.max(42, y + 4 + writeLines(body, legendText(legend), { x, y: top + y, width: room }));
}

/** The ramp with its ends and zero, on the page and in exports alike. */
export function drawRamp(
  group: Joined<SVGGElement, Legend, HTMLElement | SVGGElement | null, unknown>,
  { scale }: Legend,
): void {
  const step = RAMP.width / RAMP.samples;
  group
    .selectAll("rect")
    .data(scale.ramp(RAMP.samples))
    .join("rect")
    .attr("x", (_, i) => i * step)
    .attr("width", step + 0.5)
    .attr("height", RAMP.height)
    .attr("fill", (colour) => colour);
  group
    .selectAll("text")
    .data(ticksOf(scale))
    .join("text")
    .attr("x", (tick) => tick.at * RAMP.width)
    .attr("y", RAMP.height + 13)
    .attr("font-size", 10.5)
    .attr("text-anchor", (tick) => tick.anchor)
    .text((tick) => tick.text);
}

function ticksOf({ kind, limit }: ColourScale) {
  const high = { at: 1, anchor: "end", text: showLimit(limit) };
  if (kind === "sequential") return [{ at: 0, anchor: "start", text: "0" }, high];
  const low = { at: 0, anchor: "start", text: `−${showLimit(limit)}` };
  return [low, { at: 0.5, anchor: "middle", text: "0" }, high];
}
