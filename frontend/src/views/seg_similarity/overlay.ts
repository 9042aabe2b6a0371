// The picture with its map, the outlines and the chosen cell, as SVG in the picture's own pixels.

import { select } from "d3-selection";
import type { Numbers } from "../../arrays";
import { LINES, sequential } from "../../pictures/colour";
import { heatAddress, outlinePath } from "../../pictures/heat";
import type { Group } from "../../pictures/lineChart";
import { inkOf } from "../../pictures/sheet";
import type { Theme } from "../../theme";
import { mapAt, type Shown } from "./shown";

export interface Size {
  width: number;
  height: number;
}

export const sizeOf = ({ state }: Shown): Size => ({
  width: state.scene?.picture.width ?? 1,
  height: state.scene?.picture.height ?? 1,
});

const PAPER: Record<Theme, string> = { light: "#ffffff", dark: "#0f1115" };

export interface Parts {
  picture: boolean;
  opacity: number;
  mask: boolean;
}

/** Draws one layer's map into the group, again and again alike. */
export function drawOverlay(group: Group, shown: Shown, layer: number, parts: Parts): void {
  const size = sizeOf(shown);
  const heat = heatOf(shown, layer);
  const images = [
    { name: "picture", address: parts.picture ? shown.picture : null, opacity: 1 },
    { name: "heat", address: heat, opacity: parts.opacity },
  ].filter((image) => image.address !== null);
  group
    .selectAll<SVGImageElement, (typeof images)[number]>("image")
    .data(images, (image) => image.name)
    .join("image")
    .attr("class", (image) => image.name)
    .attr("width", size.width)
    .attr("height", size.height)
    .attr("preserveAspectRatio", "none")
    .attr("image-rendering", (image) => (image.name === "picture" ? "pixelated" : null))
    .attr("opacity", (image) => image.opacity)
    .attr("href", (image) => image.address);
  drawOutlines(group, shown, parts, size);
}

const drawnHeat = new WeakMap<Numbers, Map<string, string | null>>();

/** Painted once for each map and theme: sliders and hovering must not paint again. */
function heatOf(shown: Shown, layer: number): string | null {
  const { scores, score, theme, grid } = shown;
  const map = mapAt(shown, layer);
  if (!scores || !map) return null;
  const known = drawnHeat.get(scores) ?? new Map<string, string | null>();
  drawnHeat.set(scores, known);
  const key = `${score}/${layer}/${theme}`;
  const address = known.get(key) ?? heatAddress(map, grid, sequential(1, theme));
  known.set(key, address);
  return address;
}

function drawOutlines(group: Group, shown: Shown, parts: Parts, { width, height }: Size): void {
  const path = (mask: Shown["mask"]) => (mask ? outlinePath(mask, width, height) : "");
  const dark = shown.theme === "dark";
  const lines = [
    { name: "truth", d: path(shown.truth), ink: inkOf(shown.theme), dash: "4 3" },
    {
      name: "mask",
      d: parts.mask ? path(shown.mask) : "",
      ink: LINES[shown.theme][1] ?? "",
      dash: "",
    },
  ].filter((line) => line.d !== "");
  const halos = lines.map((line) => ({
    ...line,
    name: `${line.name}-halo`,
    ink: PAPER[dark ? "dark" : "light"],
    dash: "",
  }));
  group
    .selectAll<SVGPathElement, (typeof lines)[number]>("path")
    .data([...halos, ...lines], (line) => line.name)
    .join("path")
    .attr("class", (line) => `outline ${line.name}`)
    .attr("d", (line) => line.d)
    .attr("fill", "none")
    .attr("stroke", (line) => line.ink)
    .attr("stroke-width", (line) => (line.name.endsWith("-halo") ? 4.5 : 2))
    .attr("stroke-dasharray", (line) => line.dash || null)
    .attr("vector-effect", "non-scaling-stroke");
}

/** An SVG whose units are the picture's pixels. */
export function createFrame(root: Element, name: string) {
  const svg = select(root).append("svg").attr("class", name).attr("role", "img");
  const group = svg.append("g") as Group;
  return {
    svg,
    group,
    fit({ width, height }: Size, label: string): void {
      svg.attr("viewBox", `0 0 ${width} ${height}`).attr("aria-label", label);
    },
  };
}
