// Perplexity of every trial, by branch point: the chosen one, the greedy one, and the others.

import { counted } from "../../base/plural";
import { get } from "svelte/store";
import { axisLeft } from "d3-axis";
import { scaleLog, type ScaleLogarithmic } from "d3-scale";
import { select } from "d3-selection";
import { symbol, symbolCircle, symbolDiamond, symbolTimes, type SymbolType } from "d3-shape";
import type { Fork, Trial } from "../../gen/cntp";
import { LINES } from "../../pictures/colour";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { type Group, layer, words } from "../../pictures/layer";
import { showNumber } from "../../pictures/numbers";
import { fromOne, indexColumn } from "../../pictures/ordinal";
import { createSheet, inkOf, mutedOf, ruleOf } from "../../pictures/sheet";
import type { Theme } from "../../base/theme";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { choosePosition, type Panel, type Shown } from "../decoding/shown";
import { branchPointsOf, type Trace } from "../decoding/traces";

interface Strip {
  branchPoints: { position: number; branchPoint: Fork }[];
  chosen: number | null;
  theme: Theme;
}

const PLOT = { left: 44, top: 22, height: 150, bottom: 40 };
const PITCH = { least: 16, most: 46 };

export function createPerplexity(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Trial perplexities", "perplexity", context);
  const scroller = figure.body.appendChild(document.createElement("div"));
  scroller.className = "scroll";
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "region");
  scroller.setAttribute("aria-label", "Perplexity by branch point, scrolls horizontally");
  const svg = select(scroller).append("svg").attr("role", "img");
  const group = svg.append("g") as Group;
  figure.legend.textContent =
    "Height: perplexity of a trial, exp of the mean −ln q over its tokens (no unit, logarithmic; lower " +
    "is better). ● appended, ◇ greedy trial, small dots: other trials, × pruned: perplexity when it " +
    "could no longer win. Click a branch point to open it.";
  const draw = whenChanged<Shown>(
    ({ trace, theme, position }) => [trace, theme, position],
    ({ trace, theme, position }) => {
      const strip = trace && stripOf(trace, position, theme);
      if (!strip || strip.branchPoints.length === 0) return figure.hide();
      figure.update(sourceOf(strip, context));
      const size = drawStrip(group, strip, scroller.clientWidth || 620);
      svg.attr("width", size.width).attr("height", size.height);
      svg.attr(
        "aria-label",
        `Perplexity of the trials of ${counted(strip.branchPoints.length, "branch point")}`,
      );
      group
        .selectAll<SVGGElement, Strip["branchPoints"][number]>("g.branch-point")
        .on("click", (_, branchPoint) => choosePosition(context, branchPoint.position));
    },
  );
  return { render: draw, destroy: figure.destroy };
}

function stripOf(trace: Trace, position: number | null, theme: Theme): Strip {
  const branchPoints = branchPointsOf(trace).map(({ step, branchPoint }) => ({
    position: step.position,
    branchPoint,
  }));
  const chosen = branchPoints.findIndex(
    ({ position: start, branchPoint }) =>
      position !== null && position >= start && position < start + branchPoint.kept,
  );
  return { branchPoints, chosen: chosen < 0 ? null : chosen, theme };
}

const valueOf = (branchPoint: Fork, trial: Trial) =>
  Math.max(1, branchPoint.by === "perplexity_raw" ? trial.perplexity_raw : trial.perplexity);

function drawStrip(group: Group, strip: Strip, available: number) {
  const { branchPoints, theme } = strip;
  const room = (available - PLOT.left - 10) / branchPoints.length;
  const pitch = Math.min(PITCH.most, Math.max(PITCH.least, room));
  const values = branchPoints.flatMap(({ branchPoint }) =>
    branchPoint.trials.map((trial) => valueOf(branchPoint, trial)),
  );
  const bottom = PLOT.top + PLOT.height;
  const y = scaleLog([1, Math.max(1.1, ...values) * 1.05], [bottom, PLOT.top]);
  const axis = layer(group, "y-axis").attr("transform", `translate(${PLOT.left},0)`);
  axis.call(axisLeft(y).ticks(4, "~g").tickSizeOuter(0)).attr("font-family", null);
  axis.selectAll("line, path").attr("stroke", ruleOf(theme));
  axis.selectAll("text").attr("fill", mutedOf(theme)).attr("font-size", 10.5);
  const columns = layer(group, "branch-points")
    .selectAll<SVGGElement, Strip["branchPoints"][number]>("g.branch-point")
    .data(branchPoints)
    .join((enter) => {
      const column = enter.append("g").attr("class", "branch-point");
      column.append("rect").attr("class", "area");
      column.append("g").attr("class", "trials");
      column.append("text").attr("class", "at").attr("text-anchor", "middle");
      return column;
    })
    .attr("transform", (_, i) => `translate(${PLOT.left + 6 + i * pitch},0)`);
  columns
    .select(".area")
    .attr("y", PLOT.top - 4)
    .attr("width", pitch)
    .attr("height", PLOT.height + 22)
    .attr("fill", "transparent")
    .attr("stroke", (_, i) => (i === strip.chosen ? inkOf(theme) : "none"));
  columns
    .select(".at")
    .attr("x", pitch / 2)
    .attr("y", bottom + 14)
    .attr("font-size", 10.5)
    .attr("fill", mutedOf(theme))
    .text(({ position }) => fromOne(position));
  columns
    .select<SVGGElement>(".trials")
    .attr("transform", `translate(${pitch / 2},0)`)
    .each(function ({ branchPoint }) {
      drawTrials(select(this) as unknown as Group, branchPoint, y, theme);
    });
  const below = { x: PLOT.left, y: bottom + 32, size: 11, ink: mutedOf(theme) };
  words(group, "x-label", "output token of the branch point", below);
  const width = Math.max(300, PLOT.left + 12 + pitch * branchPoints.length);
  return { width, height: bottom + PLOT.bottom };
}

interface Dot {
  number: number;
  trial: Trial;
  won: boolean;
}

type Log = ScaleLogarithmic<number, number>;

function drawTrials(group: Group, branchPoint: Fork, y: Log, theme: Theme): void {
  const dots = branchPoint.trials.map((trial, number) => ({
    number,
    trial,
    won: number === branchPoint.winner,
  }));
  dots.sort((a, b) => Number(a.won) - Number(b.won)); // the chosen one on top
  const ink = LINES[theme][0] ?? "";
  const marks = group
    .selectAll<SVGPathElement, Dot>("path")
    .data(dots)
    .join((enter) => enter.append("path").call((path) => path.append("title")))
    .attr("transform", ({ trial }) => `translate(0,${y(valueOf(branchPoint, trial))})`)
    .attr("d", (dot) => symbol(shapeOf(dot), sizeOf(dot))())
    .attr("fill", ({ won, trial }) => (won ? ink : trial.greedy ? "none" : mutedOf(theme)))
    .attr("fill-opacity", ({ won }) => (won ? 1 : 0.55))
    .attr("stroke", ({ trial }) => (trial.greedy ? inkOf(theme) : "none"))
    .attr("stroke-width", 1.5);
  marks.select("title").text(({ number, trial, won }) => {
    const parts = [
      `trial ${fromOne(number)}`,
      `perplexity ${showNumber(valueOf(branchPoint, trial))}`,
    ];
    if (won) parts.push("appended");
    if (trial.greedy) parts.push("greedy");
    if (trial.end === "pruned") parts.push("pruned");
    return parts.join(", ");
  });
}

function shapeOf({ trial }: Dot): SymbolType {
  if (trial.end === "pruned") return symbolTimes;
  return trial.greedy ? symbolDiamond : symbolCircle;
}

const sizeOf = ({ won, trial }: Dot) => (won ? 80 : trial.greedy ? 80 : 26);

function sourceOf(strip: Strip, context: ViewContext): FigureSource {
  const rows = strip.branchPoints.flatMap(({ position, branchPoint }) =>
    branchPoint.trials.map((trial, number) => [
      position,
      number,
      trial.perplexity,
      trial.perplexity_raw,
      number === branchPoint.winner,
      trial.greedy,
      trial.end === "pruned",
    ]),
  );
  const columns = [
    indexColumn("branch point at"),
    indexColumn("trial"),
    "perplexity",
    "raw",
    "appended",
    "greedy",
    "pruned",
  ];
  return {
    table: () => ({ caption: "Perplexity of every trial", columns, rows }),
    data: () =>
      strip.branchPoints.map(({ position, branchPoint }) => ({ position, fork: branchPoint })),
    svg: () => {
      const sheet = createSheet("Trial perplexities", strip.theme, get(context.run));
      const size = drawStrip(sheet.body as Group, strip, 620);
      return sheet.finish(size.width, size.height);
    },
  };
}
