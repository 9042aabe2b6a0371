// Delayed decoding: the step from which a position's prediction was final, and the step that committed it.

import { HOVER } from "../../base/pointing";
import { get } from "svelte/store";
import { axisLeft } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import type { Consistency, DelayedPosition, Delays } from "../../gen/local_leap";
import { LINES, sequential } from "../../pictures/colour";
import { button, element, say } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { type Group, layer, words } from "../../pictures/layer";
import { createMatrix } from "../../pictures/matrix";
import type { CellAt, Matrix } from "../../pictures/matrixPixels";
import { showPercent } from "../../pictures/numbers";
import { fromOne, indexColumn } from "../../pictures/ordinal";
import { createSheet, mutedOf, ruleOf } from "../../pictures/sheet";
import type { Cell } from "../../pictures/table";
import { whenChanged } from "../../view/panel";
import type { Theme } from "../../base/theme";
import type { ViewContext } from "../../view/view";
import { createProposal, proposalRows } from "./proposal";
import { choosePosition, type Panel, type Shown } from "../decoding/shown";
import type { Trace } from "../decoding/traces";

interface Drawn {
  label: string;
  positions: DelayedPosition[];
  /** Columns before which a line is drawn. */
  rules: number[];
  length: number;
  theme: Theme;
}

export function createLifelines(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Delayed decoding", "delays", context);
  const without = button("Without end-of-text", toggle, { class: "chip" });
  figure.controls.append(without);
  const line = figure.body.appendChild(element("p", { class: "sharpness" }));
  const holder = figure.body.appendChild(
    element("div", { class: "scroll", tabindex: "0", role: "region" }),
  );
  holder.setAttribute("aria-label", "Delay per position, scrolls horizontally");
  const svg = select(holder).append("svg").attr("role", "img");
  const group = svg.append("g") as Group;
  const heading = figure.body.appendChild(element("h3", {}));
  const bins = createMatrix(
    figure.body,
    "Evaluations by confidence and distance; arrow keys move",
    {
      hover: (cell) => sayBin(cell),
      choose: (cell) => sayBin(cell),
    },
  );
  const readout = figure.body.appendChild(element("p", { class: "readout", role: "status" }));
  const proposal = createProposal(figure.body, context);
  figure.legend.textContent =
    "One line per position, height in steps of its block: from ○, the first step after which its most " +
    "probable token no longer changes, to ●, the step that committed it. Dashed: end-of-text. Table " +
    "below: fill is the share (0 to 1) of evaluations of masked positions whose prediction was already " +
    "final, by confidence and distance to the nearest anchor; grey: none. τ and W are estimated from it.";
  let table: Consistency[] = [];

  const dropsEos = () => context.state.get("eos") === "0";
  function toggle(): void {
    context.state.set("eos", dropsEos() ? null : "0");
  }

  function sayBin(cell: CellAt | null): void {
    const { rows, columns } = axesOf(table);
    const bin = cell && binAt(table, rows[cell.row], columns[cell.column]);
    say(readout, bin ? binText(bin) : `${HOVER} a cell for its numbers.`);
    bins.mark({ hover: cell, primary: null });
  }

  const draw = whenChanged<Shown>(
    ({ traces, theme }) => [
      delayedOf(traces.traces)?.delayedDecoding,
      theme,
      context.state.get("eos"),
    ],
    ({ traces, theme }) => {
      const trace = delayedOf(traces.traces);
      if (!trace?.delayedDecoding) return figure.hide();
      const { delayedDecoding } = trace;
      without.setAttribute("aria-pressed", String(dropsEos()));
      table = dropsEos() ? delayedDecoding.table_without_eos : delayedDecoding.table;
      const drawn = drawnOf(trace, delayedDecoding, dropsEos(), theme);
      figure.update(sourceOf(trace, delayedDecoding, drawn, context));
      const size = drawLines(group, drawn, holder.clientWidth || 620);
      svg.attr("width", size.width).attr("height", size.height);
      line.textContent = summary(trace, delayedDecoding);
      svg.attr("aria-label", line.textContent);
      group
        .selectAll<SVGGElement, DelayedPosition>("g.life")
        .on("click", (_, { position }) => choosePosition(context, position));
      heading.textContent = "How often early predictions were already final";
      bins.render(matrixOf(table, theme));
      proposal.render(delayedDecoding);
      sayBin(null);
    },
  );
  return { render: draw, destroy: figure.destroy };
}

const delayedOf = (traces: readonly Trace[]) =>
  traces.find(({ delayedDecoding }) => delayedDecoding !== null);

function summary({ start }: Trace, { redundancy, redundancy_without_eos }: Delays): string {
  const parts = [
    `${start.label}: ${showPercent(redundancy.share)} of evaluations came after the prediction was final`,
    `${redundancy.positions} positions`,
    `without end-of-text ${showPercent(redundancy_without_eos.share)} of ` +
      `${redundancy_without_eos.positions}`,
  ];
  return parts.join(" · ");
}

function drawnOf(trace: Trace, delayedDecoding: Delays, dropsEos: boolean, theme: Theme): Drawn {
  const { label, length, block } = trace.start;
  const size = block ?? length;
  const rules = Array.from({ length: Math.ceil(length / size) - 1 }, (_, i) => (i + 1) * size);
  const positions = delayedDecoding.positions.filter(({ eos }) => !(dropsEos && eos));
  return { label, positions, rules, length, theme };
}

const PLOT = { left: 34, top: 10, height: 170, bottom: 30 };

function drawLines(group: Group, { positions, rules, length, theme }: Drawn, available: number) {
  const pitch = Math.min(16, Math.max(5, (available - PLOT.left - 8) / length));
  const most = Math.max(1, ...positions.map(({ committed }) => committed));
  const y = scaleLinear([0.5, most + 0.5], [PLOT.top, PLOT.top + PLOT.height]);
  const x = (position: number) => PLOT.left + (position + 0.5) * pitch;
  const axis = layer(group, "y-axis").attr("transform", `translate(${PLOT.left},0)`);
  const steps = axisLeft(y).ticks(Math.min(most, 8)).tickSizeOuter(0);
  axis.call(steps.tickFormat((step) => String(fromOne(Number(step))))).attr("font-family", null);
  axis.selectAll("line, path").attr("stroke", ruleOf(theme));
  axis.selectAll("text").attr("fill", mutedOf(theme)).attr("font-size", 10.5);
  layer(group, "rules")
    .selectAll("line")
    .data(rules)
    .join("line")
    .attr("x1", (at) => PLOT.left + at * pitch)
    .attr("x2", (at) => PLOT.left + at * pitch)
    .attr("y1", PLOT.top)
    .attr("y2", PLOT.top + PLOT.height)
    .attr("stroke", ruleOf(theme));
  const lives = layer(group, "lives")
    .selectAll<SVGGElement, DelayedPosition>("g.life")
    .data(positions, ({ position }) => position)
    .join((enter) => {
      const life = enter.append("g").attr("class", "life");
      life.append("title");
      life.append("line");
      life.append("circle").attr("class", "stable").attr("r", 2.6).attr("fill", "none");
      life.append("circle").attr("class", "committed").attr("r", 3);
      return life;
    })
    .attr("transform", ({ position }) => `translate(${x(position)},0)`);
  const ink = ({ eos }: DelayedPosition) => (eos ? mutedOf(theme) : (LINES[theme][1] ?? ""));
  lives.select("title").text(({ position, stable, committed }) => {
    const delay = committed - stable;
    return `position ${fromOne(position)}: final from step ${fromOne(stable)}, committed in step ${fromOne(committed)}, delay ${delay}`;
  });
  lives
    .select("line")
    .attr("y1", ({ stable }) => y(stable))
    .attr("y2", ({ committed }) => y(committed))
    .attr("stroke", ink)
    .attr("stroke-width", 1.6)
    .attr("stroke-dasharray", ({ eos }) => (eos ? "2 2" : null));
  lives
    .select(".stable")
    .attr("cy", ({ stable }) => y(stable))
    .attr("stroke", ink);
  lives
    .select(".committed")
    .attr("cy", ({ committed }) => y(committed))
    .attr("fill", ink);
  const below = {
    x: PLOT.left,
    y: PLOT.top + PLOT.height + 22,
    size: 11,
    ink: mutedOf(theme),
  };
  words(group, "x-label", "position →   step of its block ↓", below);
  const width = Math.max(240, PLOT.left + length * pitch + 8);
  return { width, height: PLOT.top + PLOT.height + PLOT.bottom };
}

const binName = ([low = 0, high = 0]: readonly number[]) => `${low}–${high}`;
const OPEN = 8; // distances from here on share a bin
const distanceName = (distance: number | null) =>
  distance === null ? "none" : distance < OPEN ? String(distance) : `≥ ${distance}`;

function axesOf(table: readonly Consistency[]) {
  const rows = new Map(table.map(({ confidence }) => [binName(confidence), confidence]));
  const distances = new Set(table.map(({ distance }) => distance));
  const columns = [...distances].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
  return { rows: [...rows.keys()], columns };
}

const binAt = (
  table: readonly Consistency[],
  row: string | undefined,
  column: number | null | undefined,
) =>
  table.find(({ confidence, distance }) => binName(confidence) === row && distance === column) ??
  null;

function binText({ confidence, distance, looks, consistent }: Consistency): string {
  const where = distance === null ? "no anchor" : `distance ${distanceName(distance)}`;
  const share = looks ? ` (${showPercent(consistent / looks)})` : "";
  return `Confidence ${binName(confidence)}, ${where}: ${consistent} of ${looks} evaluations already final${share}.`;
}

function matrixOf(table: readonly Consistency[], theme: Theme): Matrix {
  const { rows, columns } = axesOf(table);
  const bins = rows.flatMap((row) => columns.map((column) => binAt(table, row, column)));
  const scale = sequential(1, theme);
  return {
    rows: rows.map((row) => `conf. ${row}`),
    columns: columns.map((distance) => `dist. ${distanceName(distance)}`),
    values: bins.map((bin) => (bin?.looks ? bin.consistent / bin.looks : 0)),
    masked: Uint8Array.from(bins, (bin) => (bin?.looks ? 0 : 1)),
    scales: rows.map(() => scale),
    theme,
  };
}

function sourceOf(
  trace: Trace,
  delayedDecoding: Delays,
  drawn: Drawn,
  context: ViewContext,
): FigureSource {
  const lives = drawn.positions.map(({ position, stable, committed, eos }): Cell[] => [
    indexColumn("position"),
    String(position),
    stable,
    committed,
    committed - stable,
    eos,
  ]);
  const looks = delayedDecoding.table.map(({ confidence, distance, looks, consistent }): Cell[] => [
    "evaluations",
    `confidence ${binName(confidence)}, distance ${distanceName(distance)}`,
    looks,
    consistent,
    looks ? consistent / looks : null,
    null,
  ]);
  return {
    table: () => ({
      caption: summary(trace, delayedDecoding),
      columns: [
        "row",
        "which",
        "final from, or evaluations",
        "committed in, or final",
        "delay or share",
        "eos",
      ],
      rows: [...lives, ...looks, ...proposalRows(delayedDecoding)],
    }),
    data: () => delayedDecoding,
    svg: () => {
      const sheet = createSheet(
        `Delayed decoding: ${trace.start.label}`,
        drawn.theme,
        get(context.run),
      );
      const size = drawLines(sheet.body as Group, drawn, 760);
      return sheet.finish(Math.max(620, size.width), size.height);
    },
  };
}
