// Positions against order: each block as a bar over its position ids, one below the other.

import { axisBottom } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { get } from "svelte/store";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { element } from "../../pictures/dom";
import { type Group, layer } from "../../pictures/layer";
import { createSheet, fit, inkOf, mutedOf, ruleOf } from "../../pictures/sheet";
import { colourOf } from "../../pictures/swatch";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { blockName, choosePair, modeName, ownPair, type Panel, type Shown } from "./shown";
import type { ReadLayout } from "./state";
import { blockTable } from "./tables";

const LINE = { most: 22, least: 5, height: 560 }; // of a block; of all of them
const THICK = 0.6; // of a line
const NAME = 11; // pixels that a name needs; with less, only some have one
const AXIS = 34;
const WIDEST_NAME = 120;

export function createPositions(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Positions", "positions", context);
  const holder = figure.body.appendChild(element("div", {}));
  const svg = select(holder).append("svg").attr("role", "img");
  const group = svg.append("g") as Group;
  let shown: Shown | null = null;

  holder.addEventListener("click", (event) => {
    const bar = (event.target as Element).closest<SVGGElement>("[data-block]");
    if (!bar || !shown || shown.masked !== shown.layout) return;
    choosePair(context, ownPair(shown.pairs, Number(bar.dataset.block)));
  });

  const draw = whenChanged<Shown>(
    ({ state, masked, theme, pair }) => [state.segments, masked, theme, pair, holder.clientWidth],
    (now) => {
      if (!now.masked || !now.state.segments) return;
      figure.update(sourceOf(now, now.masked, context));
      const size = drawPositions(group, now, now.masked, Math.min(900, holder.clientWidth || 620));
      svg.attr("width", size.width).attr("height", size.height);
      svg.attr("aria-label", sentence(now, now.masked));
      figure.legend.textContent =
        `Arrangement: ${modeName(now.masked.event.mode)} (selected above the attention mask). Vertical: ` +
        "blocks in token order; horizontal: their position ids. Bars that overlap horizontally share " +
        "positions, so their order does not matter.";
    },
  );
  return {
    render(now) {
      shown = now;
      draw(now);
    },
    destroy: figure.destroy,
  };
}

function sentence(shown: Shown, { event }: ReadLayout): string {
  const parts = event.blocks.map(
    ({ position, tokens }, at) =>
      `${blockName(shown.state, event, at)} ${position} to ${position + tokens - 1}`,
  );
  return `Positions of ${modeName(event.mode)}: ${parts.join("; ")}`;
}

interface PositionRow {
  block: number;
  name: string;
  position: number;
  tokens: number;
  slot: number;
}

function drawPositions(group: Group, shown: Shown, layout: ReadLayout, width: number) {
  const { event } = layout;
  const { theme } = shown;
  const segments = shown.state.segments?.segments.length ?? 0;
  const rows = event.blocks.map((block, at): PositionRow => ({
    block: at,
    name: blockName(shown.state, event, at),
    position: block.position,
    tokens: block.tokens,
    slot: block.segment ?? segments + (block.role === "prefix" ? 0 : 1),
  }));
  const left = Math.min(WIDEST_NAME, width * 0.3);
  const x = scaleLinear([0, event.span], [left, width - 8]);
  const line = Math.max(LINE.least, Math.min(LINE.most, Math.floor(LINE.height / rows.length)));
  const thick = Math.round(THICK * line);
  const named = Math.ceil(NAME / line);
  const height = rows.length * line;
  const axis = layer(group, "axis").attr("transform", `translate(0,${height})`);
  axis.call(
    axisBottom(x)
      .ticks(Math.max(2, Math.floor(width / 90)), "d")
      .tickSize(-height),
  );
  axis.attr("font-family", null);
  axis.selectAll("line, path").attr("stroke", ruleOf(theme));
  axis.selectAll("text").attr("fill", mutedOf(theme)).attr("font-size", 10.5).attr("dy", "1em");
  const bars = layer(group, "blocks")
    .selectAll<SVGGElement, PositionRow>("g")
    .data(rows)
    .join((enter) => {
      const made = enter.append("g").attr("class", "position-row");
      made.append("title");
      made.append("text").attr("font-size", 12).attr("text-anchor", "end");
      made.append("rect").attr("rx", 2);
      return made;
    })
    .attr("data-block", (row) => row.block)
    .attr("transform", (row) => `translate(0,${row.block * line})`);
  bars
    .select("title")
    .text((row) => `${row.name}: position ids ${row.position} to ${row.position + row.tokens - 1}`);
  bars
    .select("text")
    .attr("x", left - 8)
    .attr("y", thick + 1)
    .attr("fill", inkOf(theme))
    .text((row) => (row.block % named ? "" : fit(row.name, left - 12, 12)));
  const chosen = shown.masked === shown.layout ? shown.pairs[shown.pair ?? -1] : undefined;
  bars
    .select("rect")
    .attr("x", (row) => x(row.position))
    .attr("height", thick)
    .attr("y", (line - thick) / 2)
    .attr("width", (row) => Math.max(2, x(row.position + row.tokens) - x(row.position)))
    .attr("fill", (row) => colourOf(row.slot, theme))
    .attr("stroke", (row) =>
      row.block === chosen?.reader || row.block === chosen?.source ? inkOf(theme) : "none",
    )
    .attr("stroke-width", 2);
  const label = layer(group, "label")
    .selectAll<SVGTextElement, string>("text")
    .data(["position id"]);
  label
    .join("text")
    .attr("x", (left + width) / 2)
    .attr("y", height + AXIS - 4)
    .attr("text-anchor", "middle")
    .attr("font-size", 11)
    .attr("fill", mutedOf(theme))
    .text((text) => text);
  return { width, height: height + AXIS };
}

const SHEET_WIDTH = 720;

function sourceOf(shown: Shown, layout: ReadLayout, context: ViewContext): FigureSource {
  return {
    table: () => blockTable(shown, layout),
    data: () => ({ mode: layout.event.mode, span: layout.event.span, blocks: layout.event.blocks }),
    svg: () => {
      const title = `Positions of ${modeName(layout.event.mode)}`;
      const sheet = createSheet(title, shown.theme, get(context.run));
      const size = drawPositions(sheet.body as Group, shown, layout, SHEET_WIDTH);
      return sheet.finish(size.width, size.height);
    },
  };
}
