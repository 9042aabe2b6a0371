// The prefix tree as text: shared beginnings once, a band below as thick as trials go through.

import { counted } from "../../base/plural";
import { mean } from "d3-array";
import { inkOn, sequential, type ColourScale } from "../../pictures/colour";
import { visible } from "../../pictures/glyphs";
import { type Group, layer } from "../../pictures/layer";
import { fit, inkOf, measure, mutedOf } from "../../pictures/sheet";
import type { Theme } from "../../base/theme";
import { segments, type TrieSegment } from "./trie";

export interface TrieLook {
  roots: readonly TrieSegment[];
  /** Trials in all. */
  trials: number;
  /** Said behind a trial's last token. */
  noteOf(trials: readonly number[]): string;
  /** Trials that could no longer win: drawn dashed. */
  pruned: ReadonlySet<number>;
  selected: number | null;
  theme: Theme;
}

interface Placed {
  segment: TrieSegment;
  x: number;
  y: number;
  width: number;
  cells: Cell[];
  parent: Placed | null;
}

interface Cell {
  x: number;
  width: number;
  text: string;
  /** −ln q in nats; the mean where tokens are drawn together. */
  surprise: number;
}

const CELL = 21;
const BAND = 9;
const PITCH = CELL + BAND + 9;
const GAP = 26;
const SIZE = 12.5;
const NOTE_SIZE = 11.5;
const SVG_MARKS = 1500; // tokens; beyond them stretches are drawn whole
const WHOLE = 180;

export const surprise = (logprob: number) => -logprob;

/** Limits of the fill: the largest −ln q of the tree. */
export function scaleOf(roots: readonly TrieSegment[], theme: Theme): ColourScale {
  const all = [...segments(roots)].flatMap(({ tokens }) =>
    tokens.map((token) => surprise(token.logprob)),
  );
  return sequential(Math.max(0.1, ...all), theme);
}

/** Draws into the group, again and again alike; returns the size taken. */
export function drawTrie(group: Group, look: TrieLook) {
  const placed = placeAll(look.roots);
  const scale = scaleOf(look.roots, look.theme);
  drawLinks(layer(group, "links"), placed, look);
  drawBands(layer(group, "bands"), placed, look);
  drawCells(layer(group, "cells"), placed, look, scale);
  const notes = placed.filter(({ segment }) => segment.ends.length > 0);
  drawNotes(layer(group, "notes"), notes, look);
  const right = ({ segment, x, width }: Placed) =>
    x + width + (segment.ends.length ? noteWidth(segment, look) + 12 : 0);
  const rows = Math.max(0, ...placed.map(({ segment }) => segment.row)) + 1;
  return { width: Math.ceil(Math.max(200, ...placed.map(right))), height: rows * PITCH };
}

const weightOf = ({ winning }: TrieSegment) => (winning ? 700 : 400);
const noteWidth = (segment: TrieSegment, look: TrieLook) =>
  measure(look.noteOf(segment.ends), NOTE_SIZE, weightOf(segment));

function placeAll(roots: readonly TrieSegment[]): Placed[] {
  const tokens = [...segments(roots)].reduce((sum, segment) => sum + segment.tokens.length, 0);
  const cellsOf = tokens > SVG_MARKS ? wholeCell : tokenCells;
  const placed: Placed[] = [];
  const place = (segment: TrieSegment, parent: Placed | null) => {
    const cells = cellsOf(segment);
    const last = cells.at(-1);
    const x = parent ? parent.x + parent.width + GAP : 2;
    const width = last ? last.x + last.width : 0;
    const one = { segment, x, y: segment.row * PITCH, width, cells, parent };
    placed.push(one);
    for (const child of segment.children) place(child, one);
  };
  for (const segment of roots) place(segment, null);
  return placed;
}

function tokenCells(segment: TrieSegment): Cell[] {
  let x = 0;
  return segment.tokens.map((token) => {
    const text = visible(token.text) || "∅";
    const width = Math.max(12, measure(text, SIZE, weightOf(segment)) + 6);
    const cell = { x, width, text, surprise: surprise(token.logprob) };
    x += width + 1;
    return cell;
  });
}

function wholeCell(segment: TrieSegment): Cell[] {
  const { tokens } = segment;
  if (tokens.length === 0) return [];
  const text = fit(visible(tokens.map((token) => token.text).join("")), WHOLE, SIZE);
  const average = mean(tokens, (token) => surprise(token.logprob)) ?? 0;
  return [{ x: 0, width: measure(text, SIZE, weightOf(segment)) + 6, text, surprise: average }];
}

const thickness = ({ trials }: TrieSegment, look: TrieLook) =>
  1.5 + ((BAND - 1.5) * trials.length) / Math.max(1, look.trials);
const bandMiddle = (y: number) => y + CELL + 1 + BAND / 2;
const inkFor = ({ winning }: TrieSegment, theme: Theme) =>
  winning ? inkOf(theme) : mutedOf(theme);
const isPruned = ({ trials }: TrieSegment, { pruned }: TrieLook) =>
  trials.every((trial) => pruned.has(trial));
const dashFor = (segment: TrieSegment, look: TrieLook) => (isPruned(segment, look) ? "3 3" : null);
const opacityFor = ({ winning }: TrieSegment) => (winning ? 0.9 : 0.45);

function drawLinks(group: Group, placed: readonly Placed[], look: TrieLook): void {
  group
    .selectAll("path")
    .data(placed.filter((one) => one.parent !== null))
    .join("path")
    .attr("fill", "none")
    .attr("stroke", ({ segment }) => inkFor(segment, look.theme))
    .attr("stroke-opacity", ({ segment }) => opacityFor(segment))
    .attr("stroke-dasharray", ({ segment }) => dashFor(segment, look))
    .attr("stroke-width", ({ segment }) => thickness(segment, look))
    .attr("d", linkPath);
}

function linkPath({ parent, x, y }: Placed): string {
  if (!parent) return "";
  const from = [parent.x + parent.width, bandMiddle(parent.y)] as const;
  const middle = (from[0] + x) / 2;
  return `M${from[0]},${from[1]} C${middle},${from[1]} ${middle},${bandMiddle(y)} ${x},${bandMiddle(y)}`;
}

function drawBands(group: Group, placed: readonly Placed[], look: TrieLook): void {
  group
    .selectAll("line")
    .data(placed.filter((one) => one.width > 0))
    .join("line")
    .attr("x1", (one) => one.x)
    .attr("x2", (one) => one.x + one.width)
    .attr("y1", (one) => bandMiddle(one.y))
    .attr("y2", (one) => bandMiddle(one.y))
    .attr("stroke", ({ segment }) => inkFor(segment, look.theme))
    .attr("stroke-opacity", ({ segment }) => opacityFor(segment))
    .attr("stroke-dasharray", ({ segment }) => dashFor(segment, look))
    .attr("stroke-width", ({ segment }) => thickness(segment, look));
}

interface Drawn {
  placed: Placed;
  cell: Cell;
}

function drawCells(
  group: Group,
  placed: readonly Placed[],
  look: TrieLook,
  scale: ColourScale,
): void {
  const data = placed.flatMap((one) => one.cells.map((cell): Drawn => ({ placed: one, cell })));
  const chosen = ({ placed: { segment } }: Drawn) =>
    look.selected !== null && segment.trials.includes(look.selected);
  const cells = group
    .selectAll<SVGGElement, Drawn>("g")
    .data(data)
    .join((enter) => {
      const cell = enter.append("g").attr("class", "trie-cell");
      cell.append("title");
      cell.append("rect").attr("height", CELL).attr("rx", 3);
      cell.append("text").attr("x", 3).attr("y", 15).attr("font-size", SIZE);
      return cell;
    })
    .attr("transform", ({ placed: { x, y }, cell }) => `translate(${x + cell.x},${y})`)
    .attr("data-trial", ({ placed: { segment } }) => segment.trials[0] ?? null);
  cells.select("title").text(({ placed: { segment }, cell }) => {
    return `${cell.text}: −ln q ${cell.surprise.toFixed(3)}, ${counted(segment.trials.length, "trial")}`;
  });
  cells
    .select("rect")
    .attr("width", ({ cell }) => cell.width)
    .attr("fill", ({ cell }) => scale.colour(cell.surprise))
    .attr("stroke", (one) => (chosen(one) ? inkOf(look.theme) : "none"))
    .attr("stroke-width", 1.5);
  cells
    .select("text")
    .attr("fill", ({ cell }) => inkOn(scale.colour(cell.surprise)))
    .attr("font-weight", ({ placed: { segment } }) => weightOf(segment))
    .text(({ cell }) => cell.text);
}

function drawNotes(group: Group, ends: readonly Placed[], look: TrieLook): void {
  group
    .selectAll<SVGTextElement, Placed>("text")
    .data(ends)
    .join("text")
    .attr("x", (one) => one.x + one.width + 7)
    .attr("y", (one) => one.y + 15)
    .attr("font-size", NOTE_SIZE)
    .attr("font-weight", ({ segment }) => weightOf(segment))
    .attr("fill", ({ segment }) => (segment.winning ? inkOf(look.theme) : mutedOf(look.theme)))
    .text(({ segment }) => look.noteOf(segment.ends));
}
