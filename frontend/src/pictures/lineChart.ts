// Lines with bands of one standard error, and a legend that names, dashes and numbers each line.

import { extent } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear, type ScaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { area, line } from "d3-shape";
import type { Theme } from "../base/theme";
import { DASHES, LINES } from "./colour";
import { type Group, layer } from "./layer";
import { inkOf, mutedOf, ruleOf } from "./sheet";

export interface Point {
  x: number;
  y: number;
  error: number;
}

export interface Line {
  key: string;
  label: string;
  /** Shown after the label, such as the area. */
  note: string;
  points: Point[];
  /** Its place in the palette, the same in every chart of the view. */
  slot: number;
}

export interface LineChart {
  title: string;
  xLabel: string;
  yLabel: string;
  lines: Line[];
  theme: Theme;
  /** Ends of the x axis in whole steps, each point a dot; without it shares from 0 to 1. */
  steps?: readonly [number, number];
  /** What y = 0 means; drawn as a line. */
  zero?: string;
}

type Scale = ScaleLinear<number, number>;

const MARGIN = { left: 46, right: 10, top: 24, bottom: 36 };
const PLOT_HEIGHT = 200;
const LEGEND_LINE = 17;

export interface LineChartPicture {
  render(chart: LineChart): void;
}

export function createLineChart(root: HTMLElement): LineChartPicture {
  const svg = select(root).append("svg").attr("class", "line-chart").attr("role", "img");
  const group = svg.append("g") as Group;
  return {
    render(chart) {
      const width = Math.max(260, Math.min(520, root.clientWidth || 420));
      const size = drawLineChart(group, chart, width);
      svg.attr("width", size.width).attr("height", size.height).attr("aria-label", sentence(chart));
    },
  };
}

function sentence(chart: LineChart): string {
  const lines = chart.lines.map((one) => `${one.label}, ${one.note}`).join("; ");
  return `${chart.title}: ${chart.yLabel} by ${chart.xLabel}. ${lines}`;
}

/** Draws into the group, again and again alike; returns the size taken. */
export function drawLineChart(group: Group, chart: LineChart, width: number) {
  const x = scaleLinear(chart.steps ?? [0, 1], [MARGIN.left, width - MARGIN.right]);
  const y = scaleLinear(rangeOf(chart.lines), [MARGIN.top + PLOT_HEIGHT, MARGIN.top]).nice();
  drawTitle(group, chart);
  drawAxes(group, chart, x, y);
  drawBands(group, chart, x, y);
  drawLines(group, chart, x, y);
  drawDots(group, chart, x, y);
  const top = MARGIN.top + PLOT_HEIGHT + MARGIN.bottom;
  drawKeys(group, chart, top);
  return { width, height: top + chart.lines.length * LEGEND_LINE + 6 };
}

function rangeOf(lines: readonly Line[]): [number, number] {
  const points = lines.flatMap((one) => one.points);
  const [low = 0, high = 1] = extent(points.flatMap((p) => [p.y - p.error, p.y + p.error]));
  return [Math.min(0, low), Math.max(high, 0.01)];
}

function drawTitle(group: Group, { title, theme }: LineChart): void {
  group
    .selectAll("text.chart-title")
    .data([title])
    .join("text")
    .attr("class", "chart-title")
    .attr("y", 12)
    .attr("font-size", 12)
    .attr("font-weight", 600)
    .attr("fill", inkOf(theme))
    .text((text) => text);
}

function drawAxes(group: Group, chart: LineChart, x: Scale, y: Scale): void {
  const { theme } = chart;
  const bottom = layer(group, "x-axis").attr("transform", `translate(0,${y.range()[0] ?? 0})`);
  const [from, to] = x.domain() as [number, number];
  const ticks = chart.steps ? axisBottom(x).ticks(Math.min(8, Math.max(1, to - from)), "d") : null;
  bottom.call((ticks ?? axisBottom(x).ticks(5, "%")).tickSizeOuter(0));
  const left = layer(group, "y-axis").attr("transform", `translate(${MARGIN.left},0)`);
  left.call(axisLeft(y).ticks(5).tickSizeOuter(0));
  for (const axis of [bottom, left]) {
    axis.attr("font-family", null);
    axis.selectAll("line, path").attr("stroke", ruleOf(theme));
    axis.selectAll("text").attr("fill", mutedOf(theme)).attr("font-size", 10.5);
  }
  drawZero(group, chart, x, y);
  const [x0 = 0, x1 = 0] = x.range();
  caption(group, "x-label", (x0 + x1) / 2, (y.range()[0] ?? 0) + 31, chart.xLabel, theme);
  const anchor = caption(group, "y-label", x1, 12, chart.yLabel, theme);
  anchor.attr("text-anchor", "end");
}

function drawZero(group: Group, { zero, theme }: LineChart, x: Scale, y: Scale): void {
  const [x0 = 0, x1 = 0] = x.range();
  const kept = layer(group, "zero").selectAll<SVGGElement, string>("g");
  const line = kept.data(zero === undefined ? [] : [zero]).join((enter) => {
    const made = enter.append("g");
    made.append("line");
    made.append("text").attr("font-size", 10.5).attr("text-anchor", "end");
    return made;
  });
  line.attr("transform", `translate(0,${y(0)})`);
  line.select("line").attr("x1", x0).attr("x2", x1).attr("stroke", mutedOf(theme));
  line
    .select("text")
    .attr("x", x1)
    .attr("y", -4)
    .attr("fill", mutedOf(theme))
    .text((text) => text);
}

function caption(group: Group, name: string, x: number, y: number, text: string, theme: Theme) {
  const label = group.selectAll<SVGTextElement, string>(`text.${name}`).data([text]).join("text");
  label.attr("class", name).attr("x", x).attr("y", y).attr("text-anchor", "middle");
  return label.attr("font-size", 11).attr("fill", mutedOf(theme)).text(text);
}

const colourOf = (one: Line, theme: Theme) => LINES[theme][one.slot % LINES[theme].length] ?? "";
const dashOf = (one: Line) => DASHES[one.slot % DASHES.length] ?? "";

function drawBands(group: Group, { lines, theme }: LineChart, x: Scale, y: Scale): void {
  const band = area<Point>()
    .x((p) => x(p.x))
    .y0((p) => y(p.y - p.error))
    .y1((p) => y(p.y + p.error));
  layer(group, "bands")
    .selectAll<SVGPathElement, Line>("path")
    .data(lines, (one) => one.key)
    .join("path")
    .attr("fill", (one) => colourOf(one, theme))
    .attr("fill-opacity", 0.14)
    .attr("d", (one) => band(one.points));
}

function drawLines(group: Group, { lines, theme }: LineChart, x: Scale, y: Scale): void {
  const path = line<Point>(
    (p) => x(p.x),
    (p) => y(p.y),
  );
  layer(group, "lines")
    .selectAll<SVGPathElement, Line>("path")
    .data(lines, (one) => one.key)
    .join("path")
    .attr("fill", "none")
    .attr("stroke", (one) => colourOf(one, theme))
    .attr("stroke-width", (one) => (one.slot === 0 ? 2.5 : 1.6))
    .attr("stroke-dasharray", dashOf)
    .attr("d", (one) => path(one.points));
}

interface Dot {
  line: Line;
  point: Point;
}

function drawDots(group: Group, { lines, steps, theme }: LineChart, x: Scale, y: Scale): void {
  const dots = lines.flatMap((one) => one.points.map((point): Dot => ({ line: one, point })));
  layer(group, "dots")
    .selectAll<SVGCircleElement, Dot>("circle")
    .data(steps ? dots : [])
    .join("circle")
    .attr("cx", ({ point }) => x(point.x))
    .attr("cy", ({ point }) => y(point.y))
    .attr("r", 2.5)
    .attr("fill", ({ line }) => colourOf(line, theme));
}

function drawKeys(group: Group, { lines, theme }: LineChart, top: number): void {
  const keys = layer(group, "keys")
    .selectAll<SVGGElement, Line>("g")
    .data(lines, (one) => one.key)
    .join((enter) => {
      const key = enter.append("g");
      key
        .append("line")
        .attr("x1", MARGIN.left)
        .attr("x2", MARGIN.left + 26);
      key
        .append("text")
        .attr("x", MARGIN.left + 34)
        .attr("dy", "0.35em")
        .attr("font-size", 11.5);
      return key;
    })
    .attr("transform", (_, i) => `translate(0,${top + (i + 0.5) * LEGEND_LINE})`);
  keys
    .select("line")
    .attr("stroke", (one) => colourOf(one, theme))
    .attr("stroke-width", (one) => (one.slot === 0 ? 2.5 : 1.6))
    .attr("stroke-dasharray", dashOf);
  keys
    .select("text")
    .attr("fill", inkOf(theme))
    .text((one) => `${one.label} · ${one.note}`);
}
