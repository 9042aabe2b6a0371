// How much the answer depends on segment order: a dot per order, a line over their range.

import { extent } from "d3-array";
import { axisBottom } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { select, type Selection as Joined } from "d3-selection";
import { get } from "svelte/store";
import type { Permutation } from "../../gen/graph_kv";
import { element } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { visible } from "../../pictures/glyphs";
import { type Group, layer } from "../../pictures/layer";
import { showNumber } from "../../pictures/numbers";
import { createSheet, fit, inkOf, mutedOf, ruleOf } from "../../pictures/sheet";
import { colourOf } from "../../pictures/swatch";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { MODES, modeName, type Panel, type Shown } from "./shown";
import type { Mode } from "./state";
import { orderTable } from "./tables";

const FLAT = 1e-4; // nats; below it the order makes no difference but rounding
const LINE = 44;
const AXIS = 36;
const LEFT = 108;

export function createOrders(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Sensitivity to segment order", "orders", context);
  const holder = figure.body.appendChild(element("div", {}));
  const svg = select(holder).append("svg").attr("role", "img");
  const group = svg.append("g") as Group;
  figure.legend.textContent =
    "●: log-probability of the answer (nats) for one order of the segments; ring: the given order. " +
    `Line: range from lowest to highest. Flat: range below ${FLAT} nats, which is rounding error. The ` +
    "same orders are used in every arrangement.";

  const draw = whenChanged<Shown>(
    ({ state, theme }) => [state.permutations, state.spreads, theme, holder.clientWidth],
    (shown) => {
      if (shown.state.permutations.size === 0) return figure.hide();
      figure.update(sourceOf(shown, context));
      const size = drawOrders(group, shown, Math.min(760, holder.clientWidth || 620));
      svg.attr("width", size.width).attr("height", size.height);
      svg.attr("aria-label", sentence(shown));
    },
  );
  return { render: draw, destroy: figure.destroy };
}

function spreadText({ state }: Shown, mode: Mode): string {
  const spread = state.spreads.get(mode);
  if (!spread) return `${state.permutations.get(mode)?.length ?? 0} orders so far`;
  const { range, std, orders } = spread;
  const flat = range < FLAT ? "flat: " : "";
  return `${flat}range ${showNumber(range)}, std ${showNumber(std)} nats, ${orders} orders`;
}

const sentence = (shown: Shown) =>
  `Answer by segment order. ${modesOf(shown)
    .map((mode) => `${modeName(mode)}: ${spreadText(shown, mode)}`)
    .join("; ")}`;

const modesOf = ({ state }: Shown) => MODES.filter((mode) => state.permutations.has(mode));

interface OrderRow {
  mode: Mode;
  orders: Permutation[];
  note: string;
}

function drawOrders(group: Group, shown: Shown, width: number) {
  const { theme } = shown;
  const rows = modesOf(shown).map((mode): OrderRow => ({
    mode,
    orders: (shown.state.permutations.get(mode) ?? []).filter(Boolean),
    note: spreadText(shown, mode),
  }));
  const left = Math.min(LEFT, width * 0.28);
  const all = rows.flatMap(({ orders }) => orders.map(({ logprob }) => logprob));
  const [low = -1, high = 0] = extent(all);
  const pad = Math.max(0.02, 0.05 * (high - low));
  const x = scaleLinear([low - pad, high + pad], [left, width - 12]);
  const height = rows.length * LINE;
  drawAxis(group, x, { left, width, height }, shown);
  const lines = layer(group, "modes")
    .selectAll<SVGGElement, OrderRow>("g.mode")
    .data(rows, (row) => row.mode)
    .join((enter) => {
      const made = enter.append("g").attr("class", "mode");
      made.append("text").attr("class", "mode-name").attr("text-anchor", "end").attr("y", 18);
      made.append("text").attr("class", "mode-note").attr("y", 34).attr("font-size", 10.5);
      made.append("line").attr("y1", 14).attr("y2", 14).attr("stroke-width", 2);
      made.append("g").attr("class", "dots");
      return made;
    })
    .attr("transform", (_, at) => `translate(0,${at * LINE})`);
  lines
    .select(".mode-name")
    .attr("x", left - 10)
    .attr("font-size", 12)
    .attr("fill", inkOf(theme))
    .text((row) => fit(modeName(row.mode), left - 12, 12));
  lines
    .select(".mode-note")
    .attr("x", left)
    .attr("fill", mutedOf(theme))
    .text((row) => fit(row.note, width - left - 4, 10.5));
  const ends = (row: OrderRow) => extent(row.orders, ({ logprob }) => logprob) as [number, number];
  lines
    .select("line")
    .attr("x1", (row) => x(ends(row)[0]))
    .attr("x2", (row) => x(ends(row)[1]))
    .attr("stroke", colourOf(1, theme));
  drawDots(lines.select<SVGGElement>(".dots"), x, shown);
  return { width, height: height + AXIS };
}

type Scale = ReturnType<typeof scaleLinear<number, number>>;
type Rows = Joined<SVGGElement, OrderRow, SVGGElement, unknown>;

function drawAxis(
  group: Group,
  x: Scale,
  { left, width, height }: { left: number; width: number; height: number },
  { theme }: Shown,
): void {
  const axis = layer(group, "axis").attr("transform", `translate(0,${height})`);
  axis.call(
    axisBottom(x)
      .ticks(Math.max(2, Math.floor((width - left) / 90)))
      .tickSize(-height),
  );
  axis.attr("font-family", null);
  axis.selectAll("line, path").attr("stroke", ruleOf(theme));
  axis.selectAll("text").attr("fill", mutedOf(theme)).attr("font-size", 10.5).attr("dy", "1em");
  const label = layer(group, "label").selectAll<SVGTextElement, string>("text");
  label
    .data(["log-probability of the answer, nats"])
    .join("text")
    .attr("x", (left + width) / 2)
    .attr("y", height + AXIS - 4)
    .attr("text-anchor", "middle")
    .attr("font-size", 11)
    .attr("fill", mutedOf(theme))
    .text((text) => text);
}

function drawDots(rows: Rows, x: Scale, { theme, state }: Shown): void {
  const ids = state.segments?.segments.map(({ id }) => id) ?? [];
  const said = ({ order, logprob }: Permutation) =>
    `${order.map((segment) => visible(ids[segment] ?? "")).join(" ")}: ${showNumber(logprob)} nats`;
  rows
    .selectAll<SVGCircleElement, Permutation>("circle")
    .data((row) => row.orders)
    .join((enter) => enter.append("circle").call((dot) => dot.append("title")))
    .attr("cx", ({ logprob }) => x(logprob))
    .attr("cy", 14)
    .attr("r", ({ number }) => (number === 0 ? 6.5 : 4))
    .attr("fill", ({ number }) => (number === 0 ? "none" : colourOf(0, theme)))
    .attr("fill-opacity", 0.75)
    .attr("stroke", ({ number }) => (number === 0 ? inkOf(theme) : "none"))
    .attr("stroke-width", 1.8)
    .select("title")
    .text(said);
}

const SHEET_WIDTH = 680;

function sourceOf(shown: Shown, context: ViewContext): FigureSource {
  return {
    table: () => orderTable(shown),
    data: () => ({
      orders: Object.fromEntries(shown.state.permutations),
      spreads: Object.fromEntries(shown.state.spreads),
    }),
    svg: () => {
      const sheet = createSheet("Sensitivity to segment order", shown.theme, get(context.run));
      const size = drawOrders(sheet.body as Group, shown, SHEET_WIDTH);
      return sheet.finish(size.width, size.height);
    },
  };
}
