// The main picture: the graph of segments with the attention paid along it.

import { plainKey } from "../../view/keys";
import { get } from "svelte/store";
import { select } from "d3-selection";
import { element, say, segmented } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import type { Group } from "../../pictures/layer";
import { createSheet, writeLines } from "../../pictures/sheet";
import { SUPPORT_WORDS } from "../../pictures/support";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { drawGraph, graphOf, WIDEST, type Graph, type Readers } from "./graphPicture";
import {
  choosePair,
  modeName,
  pairIndex,
  pairItem,
  whereText,
  type Panel,
  type Shown,
} from "./shown";
import { pairTable } from "./tables";

const READERS = ["edges", "edges + answer", "all"] as const;
const readersOf = (text: string | null): Readers =>
  READERS.find((one) => one === text) ?? "edges + answer";

export function createGraph(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Segment graph", "graph", context);
  const readers = segmented(context, "Show attention of", READERS, (value) =>
    context.state.set("readers", value === "edges + answer" ? null : value),
  );
  figure.controls.append(readers.node);
  const holder = figure.body.appendChild(
    element("div", { class: "scroll", tabindex: "0", role: "region" }),
  );
  holder.setAttribute("aria-label", "Graph of the segments, scrolls horizontally");
  const svg = select(holder).append("svg").attr("class", "segment-graph").attr("role", "listbox");
  svg.attr("aria-label", "Attention between segments; arrow keys move between edges");
  const group = svg.append("g") as Group;
  const readout = figure.body.appendChild(element("p", { class: "readout" }));
  let shown: Shown | null = null;
  let graph: Graph | null = null;
  listen(svg.node() as SVGSVGElement, context, () => graph);

  const draw = whenChanged<Shown>(
    ({ state, pairs, pair, layer, head, theme, layout }) => [
      state.segments,
      state.texts,
      state.edgeMass,
      state.knockOuts,
      pairs,
      pair,
      layer,
      head,
      theme,
      layout,
      context.state.get("readers"),
      holder.clientWidth,
    ],
    (now) => {
      if (!now.layout || !now.state.segments) return;
      const chosen = readersOf(context.state.get("readers"));
      readers.choose(chosen);
      figure.update(sourceOf(now, chosen, context));
      graph = graphOf(now, chosen, holder.clientWidth || 720);
      svg.attr("width", graph.width).attr("height", graph.height);
      drawGraph(group, graph, now.theme, now.pair);
      figure.legend.textContent = legendText(now);
    },
  );

  function mark(): void {
    if (!graph || !shown) return;
    const hovered = pairIndex(get(context.selection).hover);
    const at = graph.curves.find(({ pair }) => pair === (hovered ?? shown?.pair));
    say(readout, at?.said ?? "Click a curve to show its layers and heads.");
    group
      .selectAll<SVGGElement, { pair: number }>("g.curve, g.node")
      .classed("is-hover", (one) => one.pair === hovered);
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

function legendText(shown: Shown): string {
  const mode = shown.layout ? modeName(shown.layout.event.mode) : "";
  const mass = shown.state.edgeMass
    ? `Width and number: share of a segment's attention, ${whereText(shown)}, mean over its tokens; ` +
      `${WIDEST} pixels are a share of 1. The attention of a segment, including to itself, sums to 1.`
    : "Dashed: attention not measured yet.";
  const cut = shown.state.knockOuts.size
    ? " Δ: change of log p of the answer in nats when the edge is cut in all layers. " +
      `${SUPPORT_WORDS.removed} Grey: not cut.`
    : "";
  return (
    `Arrangement: ${mode}; attended segments are left of those that attend to them. ${mass} Solid: edges of ` +
    `the graph; pale: other attention.${cut} [ ] selects a layer, { } a head.`
  );
}

function listen(svg: SVGSVGElement, context: ViewContext, latest: () => Graph | null): void {
  const pairAt = (event: Event) => {
    const mark = (event.target as Element).closest<SVGGElement>("[data-pair]");
    return mark ? Number(mark.dataset.pair) : null;
  };
  svg.addEventListener("pointerover", (event) => {
    const pair = pairAt(event);
    context.selection.hover(pair === null ? null : pairItem(pair));
  });
  svg.addEventListener("pointerleave", () => context.selection.hover(null));
  svg.addEventListener("click", (event) => {
    const pair = pairAt(event);
    if (pair !== null) choosePair(context, pair);
  });
  svg.addEventListener("keydown", (event) => {
    const step = STEPS[plainKey(event) ?? ""] ?? 0;
    const pairs = (latest()?.curves ?? []).map(({ pair }) => pair).sort((a, b) => a - b);
    const next = pairs[pairs.indexOf(pairAt(event) ?? -1) + step];
    if (step === 0 || next === undefined) return;
    event.preventDefault();
    choosePair(context, next);
    svg.querySelector<SVGGElement>(`.curve[data-pair="${next}"]`)?.focus();
  });
}

const STEPS: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

const SHEET_WIDTH = 820;

function sourceOf(shown: Shown, readers: Readers, context: ViewContext): FigureSource {
  return {
    table: () => pairTable(shown),
    data: () => ({
      segments: shown.state.segments,
      layout: shown.layout?.event,
      layer: shown.layer,
      head: shown.head,
      mass: pairTable(shown).rows,
    }),
    svg: () => {
      const mode = shown.layout ? modeName(shown.layout.event.mode) : "";
      const title = `Segment graph (${mode}; ${whereText(shown)})`;
      const sheet = createSheet(title, shown.theme, get(context.run));
      const graph = graphOf(shown, readers, SHEET_WIDTH);
      drawGraph(sheet.body as Group, graph, shown.theme, shown.pair);
      const width = Math.max(SHEET_WIDTH, graph.width);
      const words = { y: graph.height + 18, width };
      const height = writeLines(sheet.body, legendText(shown), words);
      return sheet.finish(width, graph.height + 14 + height);
    },
  };
}
