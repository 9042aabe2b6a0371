// A matrix on canvas, one pixel per cell, scaled up; only the overlay changes while hovering.

import { plainKey } from "../view/keys";
import { select, type Selection as Joined } from "d3-selection";
import type { Readable } from "svelte/store";
import type { Item } from "../view/selection";
import type { Mark } from "../view/view";
import { drawLabels, LABEL, type Labels } from "./matrixLabels";
import { pixels, runsOf, unpacked, type CellAt, type Matrix } from "./matrixPixels";
import { placeIn } from "./place";
import { measure, mutedOf } from "./sheet";

export interface MatrixMarks {
  hover: CellAt | null;
  primary: CellAt | null;
  /** A row that is framed as a whole. */
  row?: number | null;
  /** Cells that are lit, in parts that do not overlap; all others are dimmed. */
  lit?: readonly Region[];
}

export interface Region extends CellAt {
  rows: number;
  columns: number;
}

export interface MatrixHandlers {
  hover(cell: CellAt | null): void;
  choose(cell: CellAt): void;
  /** Clicked, or Enter, space or x pressed on the primary cell; without it a click chooses. */
  press?(cell: CellAt): void;
  /** What others look at or have commented: frames of columns. */
  others?: { marks: Readable<readonly Mark[]>; columnOf(item: Item): number | null };
}

export interface MatrixPicture {
  render(matrix: Matrix): void;
  mark(marks: MatrixMarks): void;
}

interface MatrixLayout {
  left: number;
  top: number;
  cellWidth: number;
  cellHeight: number;
  width: number;
  height: number;
}

export function createMatrix(
  root: HTMLElement,
  label: string,
  handlers: MatrixHandlers,
): MatrixPicture {
  let matrix: Matrix | null = null;
  let layout: MatrixLayout | null = null;
  let hovered: CellAt | null = null;
  const frame = select(root).append("div").attr("class", "matrix").attr("tabindex", 0);
  frame.attr("role", "application").attr("aria-label", label);
  const canvas = frame.append("canvas").attr("aria-hidden", "true");
  const overlay = frame.append("svg").attr("aria-hidden", "true");
  const labels = overlay.append("g") as Labels;
  const signs = overlay.append("g") as Labels;
  const dim = overlay.append("path").attr("class", "dimmed").attr("fill-rule", "evenodd");
  const frameOfRow = overlay.append("rect").attr("class", "row-primary");
  const lines = overlay.append("g").attr("class", "crosshair");
  const primary = overlay.append("rect").attr("class", "cell-primary");
  const others = overlay.append("g");
  const node = frame.node() as HTMLElement;

  node.addEventListener("pointermove", (event) => {
    const cell = matrix && layout && cellUnder(event, node, matrix, layout);
    if (cell?.row === hovered?.row && cell?.column === hovered?.column) return;
    hovered = cell;
    handlers.hover(cell);
  });
  node.addEventListener("pointerleave", () => {
    hovered = null;
    handlers.hover(null);
  });
  node.addEventListener("click", (event) => {
    const cell = matrix && layout && cellUnder(event, node, matrix, layout);
    if (cell) (handlers.press ?? handlers.choose)(cell);
  });
  node.addEventListener("keydown", (event) => {
    const key = plainKey(event) ?? "";
    const pressed = handlers.press && current && PRESSES.includes(key);
    const next = matrix && step(key, current, matrix);
    if (!pressed && !next) return;
    event.preventDefault();
    if (pressed) return handlers.press?.(current as CellAt);
    current = next as CellAt; // the mark is drawn with the next frame; the next key may come before
    handlers.choose(current);
  });
  let current: CellAt | null = null;
  let othersMarks: readonly Mark[] = [];
  const showOthers = () => {
    const { columnOf } = handlers.others ?? {};
    if (layout && columnOf) frameColumns(others, othersMarks, columnOf, layout);
  };
  handlers.others?.marks.subscribe((marks) => {
    othersMarks = marks;
    showOthers();
  });

  return {
    render(next) {
      matrix = next;
      layout = layoutOf(next, root.clientWidth || 720);
      paint(canvas.node() as HTMLCanvasElement, next, layout);
      overlay.attr("width", widthOf(layout, root)).attr("height", layout.top + layout.height + 1);
      drawLabels(labels, next, layout);
      drawSigns(signs, next, layout);
      showOthers();
    },
    mark(marks) {
      current = marks.primary;
      if (!layout) return;
      drawCrosshair(lines, marks.hover, layout);
      placeCell(primary, marks.primary, layout);
      placeRow(frameOfRow, marks.row ?? null, layout);
      dim.attr("d", marks.lit?.length ? outsideOf(marks.lit, layout) : null);
    },
  };
}

/** Slanted labels of the last columns reach beyond it, as far as there is room. */
const SLANT = 34;
const widthOf = ({ left, width }: MatrixLayout, { clientWidth }: HTMLElement) =>
  Math.max(left + width, Math.min(clientWidth, left + width + SLANT));

function layoutOf({ rows, columns }: Matrix, available: number): MatrixLayout {
  const left = Math.min(LABEL.row, longest(rows) + 14);
  const room = Math.max(120, available - left - 2);
  const cellWidth = Math.min(30, Math.max(1, Math.floor(room / columns.length)));
  const cellHeight = Math.min(24, Math.max(3, Math.floor(460 / rows.length)));
  const rise = Math.min(LABEL.column, 0.87 * longest(columns) + 14);
  const size = { width: cellWidth * columns.length, height: cellHeight * rows.length };
  return { left, top: rise, cellWidth, cellHeight, ...size };
}

const longest = (names: readonly string[]) =>
  Math.max(0, ...names.map((name) => measure(name, LABEL.size)));

function paint(canvas: HTMLCanvasElement, matrix: Matrix, layout: MatrixLayout): void {
  canvas.width = matrix.columns.length;
  canvas.height = matrix.rows.length;
  canvas.style.width = `${layout.width}px`;
  canvas.style.height = `${layout.height}px`;
  canvas.style.left = `${layout.left}px`;
  canvas.style.top = `${layout.top}px`;
  const context = canvas.getContext?.("2d");
  if (!context) return;
  const image = context.createImageData(canvas.width, canvas.height);
  new Uint32Array(image.data.buffer).set(pixels(matrix));
  context.putImageData(image, 0, 0);
}

function cellUnder(event: MouseEvent, node: HTMLElement, matrix: Matrix, layout: MatrixLayout) {
  const at = placeIn(node, event);
  const x = at.x + node.scrollLeft - layout.left;
  const y = at.y - layout.top;
  const cell = { row: Math.floor(y / layout.cellHeight), column: Math.floor(x / layout.cellWidth) };
  const inside =
    x >= 0 && y >= 0 && cell.row < matrix.rows.length && cell.column < matrix.columns.length;
  return inside ? cell : null;
}

const PRESSES = ["Enter", " ", "x"];

const MOVES: Record<string, readonly [number, number]> = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

function step(key: string, from: CellAt | null, { rows, columns }: Matrix): CellAt | null {
  const move = MOVES[key];
  if (!move) return null;
  if (!from) return { row: 0, column: 0 };
  const within = (at: number, length: number) => Math.min(length - 1, Math.max(0, at));
  return {
    row: within(from.row + move[0], rows.length),
    column: within(from.column + move[1], columns.length),
  };
}

type Marks = Joined<SVGGElement, unknown, null, undefined>;

function drawCrosshair(group: Marks, cell: CellAt | null, layout: MatrixLayout): void {
  group.attr("visibility", cell ? "visible" : "hidden");
  if (!cell) return;
  const { left, top, cellWidth, cellHeight, width, height } = layout;
  const bars = [
    { x: left, y: top + cell.row * cellHeight, width, height: cellHeight },
    { x: left + cell.column * cellWidth, y: top, width: cellWidth, height },
  ];
  group
    .selectAll("rect")
    .data(bars)
    .join("rect")
    .attr("x", (bar) => bar.x)
    .attr("y", (bar) => bar.y)
    .attr("width", (bar) => bar.width)
    .attr("height", (bar) => bar.height);
}

function placeCell(
  rect: Joined<SVGRectElement, unknown, null, undefined>,
  cell: CellAt | null,
  { left, top, cellWidth, cellHeight }: MatrixLayout,
): void {
  rect.attr("visibility", cell ? "visible" : "hidden");
  if (!cell) return;
  rect.attr("x", left + cell.column * cellWidth).attr("y", top + cell.row * cellHeight);
  rect.attr("width", cellWidth).attr("height", cellHeight);
}

function placeRow(
  rect: Joined<SVGRectElement, unknown, null, undefined>,
  row: number | null,
  { left, top, cellHeight, width }: MatrixLayout,
): void {
  rect.attr("visibility", row === null ? "hidden" : "visible");
  if (row === null) return;
  rect.attr("x", left).attr("y", top + row * cellHeight);
  rect.attr("width", width).attr("height", cellHeight);
}

function frameColumns(
  group: Marks,
  marks: readonly Mark[],
  columnOf: (item: Item) => number | null,
  { left, top, cellWidth, width, height }: MatrixLayout,
): void {
  const framed = marks.flatMap((mark) => {
    const x = left + (columnOf(mark.item) ?? Infinity) * cellWidth;
    return x < left + width ? [{ mark, x }] : [];
  });
  group
    .selectAll("rect")
    .data(framed)
    .join("rect")
    .attr("class", ({ mark }) => `column-${mark.by} person-${mark.colour ?? "none"}`)
    .attr("x", ({ x }) => x)
    .attr("y", top)
    .attr("width", cellWidth)
    .attr("height", height);
}

/** The matrix with a hole where cells are lit. */
function outsideOf(lit: readonly Region[], layout: MatrixLayout): string {
  const { left, top, cellWidth, cellHeight, width, height } = layout;
  const box = (x: number, y: number, w: number, h: number) => `M${x} ${y}h${w}v${h}h${-w}z`;
  const holes = lit.map(({ row, column, rows, columns }) => {
    const [x, y] = [left + column * cellWidth, top + row * cellHeight];
    return box(x, y, columns * cellWidth, rows * cellHeight);
  });
  return box(left, top, width, height) + holes.join("");
}

function drawSigns(
  group: Labels,
  { signs = [], rules = [], theme }: Matrix,
  layout: MatrixLayout,
): void {
  const { left, top, cellWidth, cellHeight, height } = layout;
  group
    .selectAll("line")
    .data(rules)
    .join("line")
    .attr("x1", (column) => left + column * cellWidth)
    .attr("x2", (column) => left + column * cellWidth)
    .attr("y1", top - 3)
    .attr("y2", top + height + 3)
    .attr("stroke", mutedOf(theme))
    .attr("stroke-width", 1.5);
  group
    .selectAll("text")
    .data(signs)
    .join("text")
    .attr("x", (sign) => left + (sign.column + 0.5) * cellWidth)
    .attr("y", (sign) => top + (sign.row + 0.5) * cellHeight)
    .attr("dy", "0.36em")
    .attr("text-anchor", "middle")
    .attr("font-size", Math.max(4, Math.min(12, 0.8 * Math.min(cellWidth, cellHeight))))
    .attr("fill", (sign) => sign.ink)
    .text((sign) => sign.glyph);
}

/** The matrix for export: cells of one colour in a row are one rectangle. */
export function drawMatrix(group: Labels, matrix: Matrix, available: number) {
  const layout = layoutOf(matrix, available);
  const colours = pixels(matrix);
  const runs = matrix.rows.flatMap((_, row) => runsOf(colours, row, matrix.columns.length));
  group
    .append("g")
    .attr("shape-rendering", "crispEdges")
    .selectAll("rect")
    .data(runs)
    .join("rect")
    .attr("x", (run) => layout.left + run.column * layout.cellWidth)
    .attr("y", (run) => layout.top + run.row * layout.cellHeight)
    .attr("width", (run) => run.length * layout.cellWidth)
    .attr("height", layout.cellHeight)
    .attr("fill", (run) => unpacked(run.colour));
  drawLabels(group, matrix, layout);
  drawSigns(group.append("g"), matrix, layout);
  return { width: layout.left + layout.width, height: layout.top + layout.height };
}
