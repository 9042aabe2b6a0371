// The block mask of an arrangement: which token attends to which, and with what share.

import { HOVER } from "../../base/pointing";
import { get } from "svelte/store";
import { limitOf, sequential } from "../../pictures/colour";
import { element, say, segmented } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { visible } from "../../pictures/glyphs";
import { drawKey, renderLegend, type Legend } from "../../pictures/legend";
import type { Group } from "../../pictures/layer";
import type { CellAt } from "../../pictures/matrixPixels";
import { showNumber } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { massSlice } from "./mass";
import { createMask, drawMask, isRead, sideOf, bandAt, type Mask } from "./maskPicture";
import {
  blockName,
  choosePair,
  MODES,
  modeName,
  pairIndex,
  pairItem,
  tokenTexts,
  type Panel,
  type Shown,
} from "./shown";
import type { ReadLayout } from "./state";
import { runTable } from "./tables";

const FILLS = ["mask only", "attention"] as const;
type Fill = (typeof FILLS)[number];

export function createMaskPanel(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Attention mask", "mask", context);
  const modes = document.createElement("select");
  modes.addEventListener("change", () => context.state.set("mask", modes.value));
  const fills = segmented(context, "Fill", FILLS, (value) =>
    context.state.set("fill", value === "attention" ? null : "reads"),
  );
  figure.controls.append(element("label", { class: "chooser" }, "Arrangement", modes), fills.node);
  const readout = element("p", { class: "readout", "aria-live": "polite" });
  let shown: Shown | null = null;
  let mask: Mask | null = null;
  let texts: string[] = [];
  let preview: CellAt | null = null;
  let primary: CellAt | null = null;

  const picture = createMask(figure.body, "Attention mask by token; arrow keys move", {
    hover(cell) {
      preview = cell;
      const pair = pairUnder(cell);
      context.selection.hover(pair === null ? null : pairItem(pair));
      mark();
    },
    choose(cell) {
      primary = cell;
      const pair = pairUnder(cell);
      if (pair !== null) choosePair(context, pair);
      mark();
    },
  });
  figure.body.append(readout);

  /** The pair of the run's own arrangement that a cell belongs to. */
  function pairUnder(cell: CellAt | null): number | null {
    if (!cell || !mask || !shown || shown.masked !== shown.layout) return null;
    const [reader, source] = [bandAt(mask.bands, cell.row), bandAt(mask.bands, cell.column)];
    const at = shown.pairs.findIndex((pair) => pair.reader === reader && pair.source === source);
    return at < 0 ? null : at;
  }

  const draw = whenChanged<Shown>(
    ({ state, masked, theme, layer, layout }) => [
      state.segments,
      state.texts,
      state.tokenMass,
      state.layouts,
      masked,
      layout,
      theme,
      layer,
      context.state.get("fill"),
      figure.body.clientWidth,
    ],
    (now) => {
      const { masked } = now;
      if (!masked || !now.state.segments) return;
      renderModes(modes, now);
      const measured = masked === now.layout && now.state.tokenMass !== null;
      fills.node.hidden = !measured;
      const fill: Fill =
        measured && context.state.get("fill") !== "reads" ? "attention" : "mask only";
      fills.choose(fill);
      if (mask?.tokens !== masked.event.tokens) primary = null;
      mask = maskOf(now, masked, fill);
      texts = tokenTexts(now.state, masked.event);
      figure.update(sourceOf(now, masked, mask, () => picture.address(), context));
      picture.render(mask);
      renderKey(figure.legend, mask, masked);
    },
  );

  function mark(): void {
    if (!shown || !mask) return;
    const own = shown.masked === shown.layout;
    const hovered = pairIndex(get(context.selection).hover);
    const pair = own ? (shown.pairs[hovered ?? shown.pair ?? -1] ?? null) : null;
    picture.mark({ hover: preview, primary, pair });
    const cell = preview ?? primary;
    say(readout, cell ? sentence(mask, texts, cell) : `${HOVER} or use the arrow keys.`);
  }

  return {
    render(now) {
      shown = now;
      draw(now);
      mark();
    },
    mark,
    destroy: figure.destroy,
  };
}

function renderModes(select: HTMLSelectElement, { state, masked }: Shown): void {
  const there = MODES.filter((mode) => state.layouts.has(mode));
  if (select.options.length !== there.length) {
    select.replaceChildren(
      ...there.map((mode) => element("option", { value: mode }, modeName(mode))),
    );
  }
  select.value = masked?.event.mode ?? "";
}

function maskOf(shown: Shown, layout: ReadLayout, fill: Fill): Mask {
  const { event, rowStart, runStart, runStop } = layout;
  const segments = shown.state.segments?.segments.length ?? 0;
  const bands = event.blocks.map(({ start, tokens, position, segment, role }, at) => ({
    name: blockName(shown.state, event, at),
    start,
    tokens,
    position,
    slot: segment ?? segments + (role === "prefix" ? 0 : 1),
  }));
  const { tokenMass } = shown.state;
  const mass =
    fill === "attention" && tokenMass
      ? bands.map((_, block) => massSlice(tokenMass, block, shown.layer))
      : null;
  const limits = (mass ?? []).map((row, block) =>
    readsOnlyItself(layout, block) ? 0 : limitOf(row.slice(0, event.tokens)),
  );
  const { tokens } = event;
  return {
    tokens,
    bands,
    rowStart,
    runStart,
    runStop,
    mass,
    limit: limitOf(limits),
    theme: shown.theme,
  };
}

/** A single token that attends to nothing else has a share of 1 with itself, which is no finding. */
function readsOnlyItself({ event }: ReadLayout, block: number): boolean {
  const { tokens, reads } = event.blocks[block] ?? { tokens: 0, reads: [] };
  return tokens === 1 && reads.length === 0;
}

function sentence(mask: Mask, texts: readonly string[], cell: CellAt): string {
  const named = (token: number) => {
    const band = mask.bands[bandAt(mask.bands, token)];
    const position = (band?.position ?? 0) + token - (band?.start ?? 0);
    return `“${visible(texts[token] ?? "")}” (${band?.name ?? ""}, position id ${position})`;
  };
  const share = mask.mass?.[bandAt(mask.bands, cell.row)]?.[cell.column];
  const reads = isRead(mask, cell);
  const names = `${named(cell.row)} ${reads ? "attends to" : "does not attend to"} ${named(cell.column)}`;
  if (!reads) return `${names}: masked`;
  return share === undefined ? names : `${names}: ${showNumber(share)}, mean over the block`;
}

function maskText({ tokens, mass }: Mask, { event }: ReadLayout): string {
  const side = sideOf({ tokens });
  const sampled = side < tokens ? ` ${side} of ${tokens} tokens per side are drawn.` : "";
  const fill = mass
    ? ""
    : "Orange: attention to another block; blue: causal attention within the block. ";
  const area = `${event.area.toLocaleString("en")} token pairs are attended, ${showNumber(event.relative_area)}`;
  return (
    `${fill}Check pattern: masked. Rows attend to columns; numbers on the axes: position ids; ` +
    `coloured bands: blocks, with copies of a segment in one colour. ${area} times the number for the ` +
    `same segments in sequence; positions up to ${event.span - 1}.${sampled}`
  );
}

function legendOf(mask: Mask, layout: ReadLayout): Legend {
  return {
    scale: sequential(mask.limit, mask.theme),
    unit: "share of a token's attention",
    normalisation: "the whole mask",
    clipped: "clipped only for tokens that attend to nothing but themselves",
    notes: ["Mean over the block's tokens and over heads.", maskText(mask, layout)],
  };
}

function renderKey(root: HTMLElement, mask: Mask, layout: ReadLayout): void {
  root.replaceChildren();
  if (mask.mass) renderLegend(root, legendOf(mask, layout));
  else root.append(element("p", { class: "legend-text" }, maskText(mask, layout)));
}

const SHEET_WIDTH = 720;

function sourceOf(
  shown: Shown,
  layout: ReadLayout,
  mask: Mask,
  address: () => string | null,
  context: ViewContext,
): FigureSource {
  const { event, rowStart, runStart, runStop } = layout;
  return {
    table: () => runTable(layout),
    data: () => ({
      mode: event.mode,
      tokens: event.tokens,
      blocks: event.blocks,
      row_start: Array.from(rowStart),
      run_start: Array.from(runStart),
      run_stop: Array.from(runStop),
    }),
    svg: () => {
      const title = `Attention mask, ${modeName(event.mode)}`;
      const sheet = createSheet(title, shown.theme, get(context.run));
      const size = drawMask(sheet.body as Group, mask, address(), SHEET_WIDTH);
      if (!mask.mass) return sheet.finish(SHEET_WIDTH, size.height + 4);
      const key = drawKey(sheet.body as Group, legendOf(mask, layout), size.height, SHEET_WIDTH);
      return sheet.finish(SHEET_WIDTH, size.height + key);
    },
  };
}
