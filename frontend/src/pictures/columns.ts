// Vertical columns, one per step, each of parts by category.

import { counted } from "../base/plural";
import { axisLeft } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import type { Theme } from "../base/theme";
import type { ViewContext } from "../view/view";
import { type Group, layer, words } from "./layer";
import { inkOf, mutedOf, ruleOf } from "./sheet";
import { definePatterns, drawCategories, fillOf, type Category } from "./swatch";

export interface Column {
  /** Written below every few columns. */
  label: string;
  /** One value per category, in their order. */
  parts: readonly number[];
  /** Read out and shown on hover. */
  title: string;
}

export interface ColumnChart {
  title: string;
  xLabel: string;
  stem: string;
  categories: readonly Category[];
  columns: readonly Column[];
  /** The column that is marked. */
  current: number | null;
  theme: Theme;
}

export interface ColumnPicture {
  render(chart: ColumnChart): void;
}

const PLOT = { left: 34, top: 22, height: 130, bottom: 40 };

export function createColumns(
  root: HTMLElement,
  { prefix }: Pick<ViewContext, "prefix">,
  choose: (column: number) => void,
): ColumnPicture {
  const svg = select(root).append("svg").attr("class", "columns").attr("role", "img");
  const group = svg.append("g") as Group;
  return {
    render(chart) {
      const own = { ...chart, stem: prefix + chart.stem };
      const size = drawColumns(group, own, Math.max(260, Math.min(900, root.clientWidth || 420)));
      svg.attr("width", size.width).attr("height", size.height).attr("aria-label", sentence(chart));
      group
        .selectAll<SVGRectElement, Column>("rect.column-area")
        .on("click", (_, column) => choose(chart.columns.indexOf(column)));
    },
  };
}

const sentence = ({ title, columns }: ColumnChart) =>
  `${title}: ${counted(columns.length, "column")}. ${columns
    .slice(0, 12)
    .map((column) => column.title)
    .join("; ")}`;

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

export function drawColumns(group: Group, chart: ColumnChart, width: number) {
  const { columns, theme, stem, categories } = chart;
  definePatterns(group, stem, theme);
  const room = width - PLOT.left - 4;
  const pitch = Math.min(34, room / Math.max(1, columns.length));
  const most = Math.max(1, ...columns.map((column) => sum(column.parts)));
  const y = scaleLinear([0, most], [PLOT.top + PLOT.height, PLOT.top]).nice();
  drawFrame(group, chart, y);
  const stands = layer(group, "stands")
    .selectAll<SVGGElement, Column>("g.column")
    .data(columns)
    .join((enter) => {
      const stand = enter.append("g").attr("class", "column");
      stand.append("title");
      stand.append("g").attr("class", "column-parts");
      stand.append("rect").attr("class", "column-area").attr("fill", "transparent");
      return stand;
    })
    .attr("transform", (_, i) => `translate(${PLOT.left + i * pitch},0)`);
  stands.select("title").text((column) => column.title);
  stands
    .select<SVGGElement>(".column-parts")
    .selectAll<SVGRectElement, Part>("rect")
    .data((column) => partsOf(column, categories))
    .join("rect")
    .attr("x", pitch * 0.12)
    .attr("width", pitch * 0.76)
    .attr("y", (part) => y(part.from + part.value))
    .attr("height", (part) => y(part.from) - y(part.from + part.value))
    .attr("fill", (part) => fillOf(stem, part.slot));
  stands
    .select(".column-area")
    .attr("y", PLOT.top)
    .attr("width", pitch)
    .attr("height", PLOT.height)
    .attr("stroke", (_, i) => (i === chart.current ? inkOf(theme) : "none"))
    .attr("stroke-width", 2);
  drawNumbers(group, chart, pitch);
  const below = PLOT.top + PLOT.height + PLOT.bottom;
  const keys = layer(group, "categories").attr("transform", `translate(0,${below})`);
  const height = below + drawCategories(keys, stem, categories, width, theme);
  return { width: Math.max(260, PLOT.left + pitch * columns.length + 4), height };
}

interface Part {
  from: number;
  value: number;
  slot: number;
}

function partsOf({ parts }: Column, categories: readonly Category[]): Part[] {
  let from = 0;
  return parts.map((value, i) => {
    const part = { from, value, slot: categories[i]?.slot ?? 0 };
    from += value;
    return part;
  });
}

type Scale = ReturnType<typeof scaleLinear<number, number>>;

function drawFrame(group: Group, { title, xLabel, theme }: ColumnChart, y: Scale): void {
  const [bottom = 0] = y.range();
  const axis = layer(group, "y-axis").attr("transform", `translate(${PLOT.left},0)`);
  axis.call(axisLeft(y).ticks(4, "d").tickSizeOuter(0)).attr("font-family", null);
  axis.selectAll("line, path").attr("stroke", ruleOf(theme));
  axis.selectAll("text").attr("fill", mutedOf(theme)).attr("font-size", 10.5);
  const heading = { x: 0, y: 12, size: 12, ink: inkOf(theme) };
  words(group, "chart-title", title, heading).attr("font-weight", 600);
  const below = { x: PLOT.left, y: bottom + 29, size: 11, ink: mutedOf(theme) };
  words(group, "x-label", xLabel, below);
}

/** As many as there is room for. */
function drawNumbers(group: Group, { columns, theme }: ColumnChart, pitch: number): void {
  const every = Math.ceil(22 / pitch);
  const shown = columns.map((column, i) => ({ column, i })).filter(({ i }) => i % every === 0);
  layer(group, "numbers")
    .selectAll("text")
    .data(shown)
    .join("text")
    .attr("x", ({ i }) => PLOT.left + (i + 0.5) * pitch)
    .attr("y", PLOT.top + PLOT.height + 14)
    .attr("text-anchor", "middle")
    .attr("font-size", 10.5)
    .attr("fill", mutedOf(theme))
    .text(({ column }) => column.label);
}
