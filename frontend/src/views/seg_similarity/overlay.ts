// The picture with its map, the outlines and the chosen cell, as SVG in the picture's own pixels.

import { select } from "d3-selection";
import type { Numbers } from "../../net/arrays";
import { LINES, sequential } from "../../pictures/colour";
import { heatAddress, outlinePath, visiblePart, type Box } from "../../pictures/heat";
import { type Group, layer } from "../../pictures/layer";
import { inkOf } from "../../pictures/sheet";
import type { Theme } from "../../base/theme";
import { mapAt, type PointShown, type Shown } from "./shown";

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
  points: boolean;
}

/** Draws one layer's map into the group, again and again alike. */
export function drawOverlay(group: Group, shown: Shown, at: number, parts: Parts): void {
  const size = sizeOf(shown);
  const heat = heatOf(shown, at);
  const all: Box = [0, 0, size.width, size.height];
  const { at: seen } = visiblePart(shown.frame, size);
  const images = [
    { name: "picture", address: parts.picture ? shown.picture : null, opacity: 1, box: all },
    { name: "heat", address: heat, opacity: parts.opacity, box: seen },
  ].filter((image) => image.address !== null);
  layer(group, "images")
    .selectAll<SVGImageElement, (typeof images)[number]>("image")
    .data(images, (image) => image.name)
    .join("image")
    .attr("class", (image) => `scene-${image.name}`)
    .attr("x", ({ box }) => box[0])
    .attr("y", ({ box }) => box[1])
    .attr("width", ({ box }) => box[2])
    .attr("height", ({ box }) => box[3])
    .attr("preserveAspectRatio", "none")
    .attr("image-rendering", (image) => (image.name === "picture" ? "pixelated" : null))
    .attr("opacity", (image) => image.opacity)
    .attr("href", (image) => image.address);
  drawOutlines(group, shown, parts, size);
  drawPoints(group, shown, parts.points ? shown.points : [], size);
}

/** Points within are filled, those outside are crossed out, undecided ones are small. */
function drawPoints(group: Group, shown: Shown, points: PointShown[], { width }: Size): void {
  const unit = width / 100;
  const ink = inkOf(shown.theme);
  const paper = PAPER[shown.theme];
  const marks = layer(group, "points")
    .selectAll<SVGGElement, PointShown>("g.point")
    .data(points)
    .join((enter) => {
      const mark = enter.append("g").attr("class", "point");
      mark.append("circle");
      mark.append("path");
      return mark;
    })
    .attr("transform", ({ x, y }) => `translate(${x},${y}) scale(${unit})`);
  marks
    .select("circle")
    .attr("r", ({ label }) => (label < 0 ? 0.5 : 1.5))
    .attr("fill", ({ label }) => (label === 1 ? ink : paper))
    .attr("stroke", ({ label }) => (label === 1 ? paper : ink))
    .attr("stroke-width", 0.4);
  marks
    .select("path")
    .attr("d", ({ label }) => (label === 0 ? "M-1-1L1 1M-1 1L1-1" : ""))
    .attr("stroke", ink)
    .attr("stroke-width", 0.4);
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
  const { part } = visiblePart(shown.frame, sizeOf(shown));
  const address = known.get(key) ?? heatAddress(map, grid, sequential(1, theme), part);
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
  layer(group, "outlines")
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

/** The patch under the pointer; null outside the patches. */
export function cellUnder(event: MouseEvent, node: Element, shown: Shown): number | null {
  const box = node.getBoundingClientRect();
  const size = sizeOf(shown);
  const x = ((event.clientX - box.left) / box.width) * size.width;
  const y = ((event.clientY - box.top) / box.height) * size.height;
  const [left, top, width, height] = shown.frame;
  const { rows, columns } = shown.grid;
  const column = Math.floor(((x - left) / width) * columns);
  const row = Math.floor(((y - top) / height) * rows);
  const inside = column >= 0 && row >= 0 && column < columns && row < rows;
  return inside ? row * columns + column : null;
}

/** Where a patch lies in the picture. */
export function cellBox({ frame, grid }: Shown, index: number): Box {
  const [left, top, width, height] = frame;
  const across = width / grid.columns;
  const down = height / grid.rows;
  const row = Math.floor(index / grid.columns);
  return [left + (index % grid.columns) * across, top + row * down, across, down];
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
