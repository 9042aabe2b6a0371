// Faithfulness: what happens to the target as ranked tokens are replaced, or kept.

import { get } from "svelte/store";
import type { Curve } from "../../gen/reagent";
import { createFigure, type FigureSource } from "../../pictures/figure";
import type { Group } from "../../pictures/layer";
import {
  createLineChart,
  drawLineChart,
  type LineChart,
  type LineChartPicture,
} from "../../pictures/lineChart";
import { showNumber } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import type { Theme } from "../../base/theme";
import type { ViewContext } from "../../view/view";
import { whenChanged } from "../../view/panel";
import type { Panel, Shown } from "./shown";
import type { State } from "./state";
import { curveTable } from "./tables";

const DIRECTIONS = ["deletion", "insertion"] as const;
type Direction = (typeof DIRECTIONS)[number];
const TITLES: Record<Direction, string> = {
  deletion: "Deletion: lower is more faithful",
  insertion: "Insertion: higher is more faithful",
};
const FIRST_ORDERS = ["reagent", "reversed", "random"];

export function createCurves(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Faithfulness", "curves", context);
  figure.body.classList.add("charts");
  const charts = new Map<Direction, LineChartPicture>();
  for (const direction of DIRECTIONS) {
    const holder = figure.body.appendChild(document.createElement("div"));
    charts.set(direction, createLineChart(holder));
  }

  const ingredients = ({ state, theme }: Shown) => [state.curves, theme];
  const render = whenChanged(ingredients, ({ state, theme }) => {
    if (state.curves.size === 0) return;
    figure.update(sourceOf(state, theme, context));
    for (const [direction, chart] of charts) chart.render(chartOf(state, direction, theme));
    figure.legend.textContent = legendText(state);
  });

  return { render, destroy: figure.destroy };
}

function legendText({ curves }: State): string {
  const draws = [...curves.values()][0]?.draws ?? 0;
  return (
    `Height: probability of the target, mean over ${draws} draws of replacements; ` +
    "band: ± 1 standard error. Area: under the curve, 0 to 1. Each method ranks by its own scores."
  );
}

/** Each order keeps its line style in both charts, whenever it arrives. */
function ordersOf({ curves }: State): string[] {
  const present = new Set([...curves.values()].map((curve) => curve.order));
  const others = [...present].filter((order) => !FIRST_ORDERS.includes(order)).sort();
  return [...FIRST_ORDERS.filter((order) => present.has(order)), ...others];
}

function slotOf(order: string, orders: readonly string[]): number {
  const first = FIRST_ORDERS.indexOf(order);
  const others = orders.filter((one) => !FIRST_ORDERS.includes(one));
  return first >= 0 ? first : FIRST_ORDERS.length + others.indexOf(order);
}

function chartOf(state: State, direction: Direction, theme: Theme): LineChart {
  const orders = ordersOf(state);
  const curves = orders.flatMap((order) => state.curves.get(`${direction}/${order}`) ?? []);
  return {
    title: TITLES[direction],
    xLabel: direction === "deletion" ? "share of tokens replaced" : "share of tokens kept",
    yLabel: "p(target)",
    theme,
    lines: curves.map((curve) => ({
      key: curve.order,
      label: curve.label,
      note: `area ${showNumber(curve.area)}`,
      points: pointsOf(curve),
      slot: slotOf(curve.order, orders),
    })),
  };
}

const pointsOf = ({ fraction, mean, standard_error }: Curve) =>
  fraction.map((x, i) => ({ x, y: mean[i] ?? 0, error: standard_error[i] ?? 0 }));

const CHART_WIDTH = 430;

function sourceOf(state: State, theme: Theme, context: ViewContext): FigureSource {
  return {
    table: () => curveTable(state),
    data: () => [...state.curves.values()],
    svg: () => {
      const sheet = createSheet("ReAGent: faithfulness of the map", theme, get(context.run));
      const heights = DIRECTIONS.map((direction, i) => {
        const group = sheet.body
          .append("g")
          .attr("transform", `translate(${i * (CHART_WIDTH + 20)},0)`);
        return drawLineChart(group as Group, chartOf(state, direction, theme), CHART_WIDTH).height;
      });
      return sheet.finish(2 * CHART_WIDTH + 20, Math.max(...heights));
    },
  };
}
