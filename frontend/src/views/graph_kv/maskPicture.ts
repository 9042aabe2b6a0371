// A mask on canvas from its runs, at most so many pixels a side; blocks and positions on both axes.

import { plainKey } from "../../view/keys";
import { select } from "d3-selection";
import { PALETTES, sequential } from "../../pictures/colour";
import { type Group, layer } from "../../pictures/layer";
import { colourTable, entryOf, MASK, packed, type CellAt } from "../../pictures/matrixPixels";
import { placeIn } from "../../pictures/place";
import { fit, inkOf, mutedOf } from "../../pictures/sheet";
import { colourOf } from "../../pictures/swatch";
import type { Theme } from "../../base/theme";
import type { Numbers } from "../../net/arrays";

export interface Band {
  name: string;
  start: number;
  tokens: number;
  position: number;
  /** Its place in the palette: copies of a segment share one. */
  slot: number;
}

export interface Mask {
  tokens: number;
  bands: readonly Band[];
  rowStart: Numbers;
  runStart: Numbers;
  runStop: Numbers;
  /** A row of shares per band; null: the fill shows only the mask. */
  mass: readonly Float64Array[] | null;
  /** Largest share that is read. */
  limit: number;
  theme: Theme;
}

const SIDE = 1024; // pixels of the canvas; longer texts are drawn every few tokens
const AXIS = { left: 112, top: 78, band: 8, ids: 26 };
const SLANT = 36; // right of the mask, where the last names reach
const PLOT = { least: 150, most: 560, cell: 18 };

export const sideOf = ({ tokens }: Pick<Mask, "tokens">) => Math.min(SIDE, tokens);

/** RGBA per pixel: a check where nothing is read, else the colour of what the fill says. */
export function maskPixels(mask: Mask): Uint32Array {
  const side = sideOf(mask);
  const out = new Uint32Array(side * side);
  const [light = 0, dark = 0] = MASK[mask.theme].map(packed);
  const { positive, negative } = PALETTES[mask.theme];
  const [own, other] = [packed(negative[0]), packed(positive[0])];
  const scale = sequential(mask.limit, mask.theme);
  const table = colourTable(scale);
  for (let y = 0; y < side; y++) {
    const row = tokenAt(y, mask);
    const band = bandAt(mask.bands, row);
    const shares = mask.mass?.[band];
    const inside = mask.bands[band] ?? { start: 0, tokens: 0 };
    for (let x = 0; x < side; x++) out[y * side + x] = (x + y) % 2 ? dark : light;
    for (let run = mask.rowStart[row] ?? 0; run < (mask.rowStart[row + 1] ?? 0); run++) {
      const stop = pixelAt(mask.runStop[run] ?? 0, mask);
      for (let x = pixelAt(mask.runStart[run] ?? 0, mask); x < stop; x++) {
        const column = tokenAt(x, mask);
        const itself = column >= inside.start && column < inside.start + inside.tokens;
        out[y * side + x] = shares
          ? (table[entryOf(shares[column] ?? 0, scale)] ?? 0)
          : itself
            ? own
            : other;
      }
    }
  }
  return out;
}

const tokenAt = (pixel: number, mask: Mask) => Math.floor((pixel * mask.tokens) / sideOf(mask));
/** First pixel whose token is not before this one. */
const pixelAt = (token: number, mask: Mask) => Math.ceil((token * sideOf(mask)) / mask.tokens);

export function bandAt(bands: readonly Band[], token: number): number {
  const after = bands.findIndex(({ start }) => start > token);
  return after < 0 ? bands.length - 1 : after - 1;
}

/** Whether a row attends to a column. */
export function isRead({ rowStart, runStart, runStop }: Mask, { row, column }: CellAt): boolean {
  for (let run = rowStart[row] ?? 0; run < (rowStart[row + 1] ?? 0); run++) {
    if (column >= (runStart[run] ?? 0) && column < (runStop[run] ?? 0)) return true;
  }
  return false;
}

export interface MaskMarks {
  hover: CellAt | null;
  primary: CellAt | null;
  /** Bands that are framed: the attending and the attended block. */
  pair: { reader: number; source: number } | null;
}

export interface MaskPicture {
  render(mask: Mask): void;
  mark(marks: MaskMarks): void;
  /** The current pixels, for a sheet; null where there is no canvas. */
  address(): string | null;
}

export interface MaskHandlers {
  hover(cell: CellAt | null): void;
  choose(cell: CellAt): void;
}

const MOVES: Record<string, readonly [number, number]> = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

export function createMask(root: HTMLElement, label: string, handlers: MaskHandlers): MaskPicture {
  let mask: Mask | null = null;
  let cell = 1;
  let hovered: CellAt | null = null;
  let current: CellAt | null = null;
  const frame = select(root).append("div").attr("class", "matrix").attr("tabindex", 0);
  frame.attr("role", "application").attr("aria-label", label);
  const canvas = frame.append("canvas").attr("aria-hidden", "true");
  const overlay = frame.append("svg").attr("aria-hidden", "true");
  const axes = overlay.append("g") as Group;
  const pairFrame = overlay.append("rect").attr("class", "row-primary");
  const lines = overlay.append("g").attr("class", "crosshair") as Group;
  const primary = overlay.append("rect").attr("class", "cell-primary");
  const node = frame.node() as HTMLElement;

  const cellUnder = (event: PointerEvent): CellAt | null => {
    const { x, y } = placeIn(node, event);
    const row = Math.floor((y - AXIS.top) / cell);
    const column = Math.floor((x + node.scrollLeft - AXIS.left) / cell);
    const within = (at: number) => at >= 0 && at < (mask?.tokens ?? 0);
    return within(row) && within(column) ? { row, column } : null;
  };
  node.addEventListener("pointermove", (event) => {
    const next = cellUnder(event);
    if (next?.row === hovered?.row && next?.column === hovered?.column) return;
    hovered = next;
    handlers.hover(next);
  });
  node.addEventListener("pointerleave", () => {
    hovered = null;
    handlers.hover(null);
  });
  node.addEventListener("click", () => hovered && handlers.choose(hovered));
  node.addEventListener("keydown", (event) => {
    const move = MOVES[plainKey(event) ?? ""];
    if (!mask || !move) return;
    event.preventDefault();
    const last = mask.tokens - 1;
    const within = (at: number) => Math.min(last, Math.max(0, at));
    const { row, column } = current ?? { row: last - move[0], column: -move[1] };
    current = { row: within(row + move[0]), column: within(column + move[1]) };
    handlers.choose(current); // drawn with the next frame; the next key may come before
  });

  return {
    render(next) {
      mask = next;
      cell = cellOf(next, root.clientWidth || 720);
      const size = cell * next.tokens;
      paint(canvas.node() as HTMLCanvasElement, next);
      canvas.style("left", `${AXIS.left}px`).style("top", `${AXIS.top}px`);
      canvas.style("width", `${size}px`).style("height", `${size}px`);
      overlay.attr("width", AXIS.left + size + SLANT).attr("height", AXIS.top + size + 2);
      drawAxes(axes, next, cell);
    },
    mark({ hover, primary: at, pair }) {
      current = at;
      if (!mask) return;
      placeCross(lines, hover, mask, cell);
      const box = at && { x: at.column, y: at.row, width: 1, height: 1 };
      place(primary.node() as SVGRectElement, box, cell);
      const [reader, source] = [mask.bands[pair?.reader ?? -1], mask.bands[pair?.source ?? -1]];
      const region = reader &&
        source && { x: source.start, y: reader.start, width: source.tokens, height: reader.tokens };
      place(pairFrame.node() as SVGRectElement, region ?? null, cell);
    },
    address: () => {
      const drawn = canvas.node() as HTMLCanvasElement;
      return drawn.getContext("2d") ? drawn.toDataURL("image/png") : null;
    },
  };
}

/** Whole pixels per token where they fit. */
export function cellOf({ tokens }: Mask, available: number): number {
  const room = Math.max(PLOT.least, Math.min(PLOT.most, available - AXIS.left - SLANT));
  const fitting = room / Math.max(1, tokens);
  return fitting >= 1 ? Math.min(PLOT.cell, Math.floor(fitting)) : fitting;
}

function paint(canvas: HTMLCanvasElement, mask: Mask): void {
  const side = sideOf(mask);
  [canvas.width, canvas.height] = [side, side];
  const context = canvas.getContext?.("2d");
  if (!context || side === 0) return;
  const image = context.createImageData(side, side);
  new Uint32Array(image.data.buffer).set(maskPixels(mask));
  context.putImageData(image, 0, 0);
}

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

function place(node: SVGRectElement, box: Box | null, cell: number): void {
  const rect = select(node).attr("visibility", box ? "visible" : "hidden");
  if (!box) return;
  rect.attr("x", AXIS.left + box.x * cell).attr("y", AXIS.top + box.y * cell);
  rect.attr("width", Math.max(2, box.width * cell)).attr("height", Math.max(2, box.height * cell));
}

function placeCross(group: Group, at: CellAt | null, { tokens }: Mask, cell: number): void {
  group.attr("visibility", at ? "visible" : "hidden");
  if (!at) return;
  const boxes = [
    { x: 0, y: at.row, width: tokens, height: 1 },
    { x: at.column, y: 0, width: 1, height: tokens },
  ];
  group
    .selectAll<SVGRectElement, Box>("rect")
    .data(boxes)
    .join("rect")
    .each(function (box) {
      place(this, box, cell);
    });
}

const LABEL = 11;
const MANY = 40; // blocks

/** Bands with names, lines between them, and the position ids that there is room for. */
export function drawAxes(
  group: Group,
  mask: Mask,
  cell: number,
): { width: number; height: number } {
  drawSide(layer(group, "rows"), mask, cell, false);
  drawSide(layer(group, "columns"), mask, cell, true);
  const size = cell * mask.tokens;
  layer(group, "rules")
    .selectAll<SVGPathElement, Band>("path")
    .data(mask.bands.slice(1))
    .join("path")
    .attr("stroke", mutedOf(mask.theme))
    .attr("stroke-width", 0.75)
    .attr("stroke-opacity", 0.7)
    .attr("d", ({ start }) => {
      const at = start * cell;
      return `M${AXIS.left + at},${AXIS.top - AXIS.band}v${size + AXIS.band}M${AXIS.left - AXIS.band},${AXIS.top + at}h${size + AXIS.band}`;
    });
  return { width: AXIS.left + size, height: AXIS.top + size };
}

function drawSide(group: Group, mask: Mask, cell: number, across: boolean): void {
  const edge = across ? AXIS.top : AXIS.left;
  const origin = across ? AXIS.left : AXIS.top;
  const bands = group
    .selectAll<SVGGElement, Band>("g")
    .data(mask.bands)
    .join((enter) => {
      const made = enter.append("g");
      made.append("rect");
      made.append("text").attr("font-size", LABEL);
      return made;
    });
  bands
    .select("rect")
    .attr(across ? "x" : "y", ({ start }) => origin + start * cell)
    .attr(across ? "y" : "x", edge - AXIS.band)
    .attr(across ? "width" : "height", ({ tokens }) => Math.max(1, tokens * cell - 1))
    .attr(across ? "height" : "width", AXIS.band - 2)
    .attr("fill", ({ slot }) => colourOf(slot, mask.theme));
  const middle = ({ start, tokens }: Band) => origin + (start + tokens / 2) * cell;
  const room = edge - AXIS.band - AXIS.ids - 4;
  bands
    .select("text")
    .attr("fill", inkOf(mask.theme))
    .attr("text-anchor", across ? "start" : "end")
    .attr("dy", "0.35em")
    .attr("transform", (band) =>
      across
        ? `translate(${middle(band)},${edge - AXIS.band - AXIS.ids + 8}) rotate(-60)`
        : `translate(${edge - AXIS.band - AXIS.ids},${middle(band)})`,
    )
    .text((band) => (band.tokens * cell < LABEL ? "" : fit(band.name, room, LABEL)));
  drawIds(layer(group, "ids"), mask, cell, across);
}

interface Id {
  token: number;
  position: number;
}

const firstOf = ({ start, position }: Band): Id => ({ token: start, position });

/** With many blocks, those whose numbers do not lie on each other's. */
function apart(bands: readonly Band[], cell: number): readonly Band[] {
  if (bands.length <= MANY) return bands;
  const found: Band[] = [];
  for (const band of bands) {
    if ((band.start - (found.at(-1)?.start ?? -Infinity)) * cell >= LABEL) found.push(band);
  }
  return found;
}

/** The position of every token where there is room, else of each block's first. */
function idsOf({ bands }: Mask, cell: number): Id[] {
  if (cell < LABEL) return apart(bands, cell).map(firstOf);
  return bands.flatMap(({ start, tokens, position }) =>
    Array.from({ length: tokens }, (_, at) => ({
      token: start + at,
      position: position + at,
    })),
  );
}

function drawIds(group: Group, mask: Mask, cell: number, across: boolean): void {
  const edge = (across ? AXIS.top : AXIS.left) - AXIS.band - 4;
  const half = Math.max(cell / 2, 5);
  const along = ({ token }: Id) => (across ? AXIS.left : AXIS.top) + token * cell + half;
  group
    .selectAll<SVGTextElement, Id>("text")
    .data(idsOf(mask, cell))
    .join("text")
    .attr("font-size", 9.5)
    .attr("fill", mutedOf(mask.theme))
    .attr("text-anchor", across ? "start" : "end")
    .attr("dy", "0.35em")
    .attr("transform", (id) =>
      across ? `translate(${along(id)},${edge}) rotate(-90)` : `translate(${edge},${along(id)})`,
    )
    .text(({ position }) => position);
}

/** The mask for export: its pixels as a picture, below the axes. */
export function drawMask(group: Group, mask: Mask, address: string | null, available: number) {
  const cell = cellOf(mask, available);
  const size = cell * mask.tokens;
  group
    .append("image")
    .attr("x", AXIS.left)
    .attr("y", AXIS.top)
    .attr("width", size)
    .attr("height", size)
    .attr("image-rendering", "pixelated")
    .attr("preserveAspectRatio", "none")
    .attr("href", address);
  return drawAxes(group.append("g") as Group, mask, cell);
}
