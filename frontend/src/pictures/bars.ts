// Bars that lie, one line per thing, each of one or more parts.

import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import type { Theme } from "../base/theme";
import type { ViewContext } from "../view/view";
import { type Group, layer, words } from "./layer";
import { fit, inkOf, measure, mutedOf } from "./sheet";
import { definePatterns, drawCategories, fillOf, type Category } from "./swatch";

export interface Bar {
  key: string;
  label: string;
  /** One value per category, in their order. */
  parts: readonly number[];
  /** Said behind the bar. */
  note: string;
  strong: boolean;
}

export interface BarChart {
  title: string;
  /** Names the chart's patterns. */
  stem: string;
  categories: readonly Category[];
  bars: readonly Bar[];
  /** The value of the whole width; without it, the longest bar. */
  most?: number;
  theme: Theme;
}

const LINE = 24;
const THICK = 14;
const TOP = 22;

export interface BarPicture {
  render(chart: BarChart): void;
}

export function createBars(root: HTMLElement, { prefix }: Pick<ViewContext, "prefix">): BarPicture {
  const svg = select(root).append("svg").attr("class", "bars").attr("role", "img");
  const group = svg.append("g") as Group;
  return {
    render(chart) {
      const own = { ...chart, stem: prefix + chart.stem };
      const size = drawBars(group, own, Math.max(260, Math.min(620, root.clientWidth || 420)));
      svg.attr("width", size.width).attr("height", size.height).attr("aria-label", sentence(chart));
    },
  };
}

const sentence = ({ title, bars }: BarChart) =>
  `${title}. ${bars.map((bar) => `${bar.label}: ${bar.note}`).join("; ")}`;

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Draws into the group, again and again alike; returns the size taken. */
export function drawBars(group: Group, chart: BarChart, width: number) {
  const { bars, theme, stem } = chart;
  definePatterns(group, stem, theme);
  const widest = (texts: string[], size: number) =>
    Math.max(0, ...texts.map((text) => measure(text, size)));
  const left = Math.min(
    width * 0.36,
    widest(
      bars.map((bar) => bar.label),
      12,
    ) + 10,
  );
  const right = Math.min(
    width * 0.34,
    widest(
      bars.map((bar) => bar.note),
      11,
    ) + 10,
  );
  const most = chart.most ?? Math.max(...bars.map((bar) => sum(bar.parts)), 1e-9);
  const x = scaleLinear([0, most], [0, width - left - right]);
  const title = words(group, "chart-title", chart.title, {
    x: 0,
    y: 12,
    size: 12,
    ink: inkOf(theme),
  });
  title.attr("font-weight", 600);
  const lines = layer(group, "lines")
    .selectAll<SVGGElement, Bar>("g.bar")
    .data(bars, (bar) => bar.key)
    .join((enter) => {
      const line = enter.append("g").attr("class", "bar");
      line.append("text").attr("class", "bar-label").attr("font-size", 12);
      line.append("g").attr("class", "bar-parts");
      line.append("text").attr("class", "bar-note").attr("font-size", 11);
      return line;
    })
    .attr("transform", (_, i) => `translate(0,${TOP + i * LINE})`);
  lines
    .select(".bar-label")
    .attr("y", THICK - 3)
    .attr("fill", inkOf(theme))
    .attr("font-weight", (bar) => (bar.strong ? 650 : null))
    .text((bar) => fit(bar.label, left - 8, 12));
  lines
    .select<SVGGElement>(".bar-parts")
    .selectAll<SVGRectElement, Part>("rect")
    .data((bar) => partsOf(bar, chart.categories))
    .join("rect")
    .attr("x", (part) => left + x(part.from))
    .attr("width", (part) => Math.max(part.value > 0 ? 1 : 0, x(part.value)))
    .attr("height", THICK)
    .attr("fill", (part) => fillOf(stem, part.slot));
  lines
    .select(".bar-note")
    .attr("x", (bar) => left + x(sum(bar.parts)) + 6)
    .attr("y", THICK - 3)
    .attr("fill", mutedOf(theme))
    .text((bar) => bar.note);
  const below = TOP + bars.length * LINE + 4;
  const keys = layer(group, "categories").attr("transform", `translate(0,${below})`);
  const several = chart.categories.length > 1 ? chart.categories : [];
  return { width, height: below + drawCategories(keys, stem, several, width, theme) };
}

interface Part {
  from: number;
  value: number;
  slot: number;
}

function partsOf(bar: Bar, categories: readonly Category[]): Part[] {
  let from = 0;
  return bar.parts.map((value, i) => {
    const part = { from, value, slot: categories[i]?.slot ?? 0 };
    from += value;
    return part;
  });
}
