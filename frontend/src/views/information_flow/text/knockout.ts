// Knockout by layer: each source cut from the answer in a window of layers, one curve per source.

import { get } from "svelte/store";
import type { Knockout } from "../../../gen/information_flow";
import { segmented } from "../../../pictures/dom";
import { createFigure, type FigureSource } from "../../../pictures/figure";
import { visible } from "../../../pictures/glyphs";
import type { Group } from "../../../pictures/layer";
import {
  createLineChart,
  drawLineChart,
  type Line,
  type LineChart,
} from "../../../pictures/lineChart";
import { showNumber, showSigned } from "../../../pictures/numbers";
import { createSheet } from "../../../pictures/sheet";
import { whenChanged } from "../../../view/panel";
import type { Theme } from "../../../base/theme";
import type { ViewContext } from "../../../view/view";
import type { Panel, Shown } from "./shown";
import type { State } from "./state";
import { curveTable } from "./tables";

const UNITS = ["log p", "p in %"] as const;
type Unit = (typeof UNITS)[number];
const unitOf = (text: string | null): Unit => (text === "percent" ? "p in %" : "log p");

export function createKnockout(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Attention knockout by layer", "knockout", context);
  const units = segmented(context, "Change of", UNITS, (value) =>
    context.state.set("unit", value === "p in %" ? "percent" : null),
  );
  figure.controls.append(units.node);
  figure.body.classList.add("charts");
  const sources = createLineChart(figure.body.appendChild(document.createElement("div")));
  const controls = createLineChart(figure.body.appendChild(document.createElement("div")));

  const ingredients = ({ state, theme }: Shown) => [state.curves, theme, context.state.get("unit")];
  const render = whenChanged(ingredients, ({ state, theme }) => {
    if (state.curves.size === 0) return figure.hide();
    const unit = unitOf(context.state.get("unit"));
    units.choose(unit);
    figure.update(sourceOf(state, theme, unit, context));
    sources.render(sourceChart(state, theme, unit));
    controls.render(controlChart(state, theme));
    figure.legend.textContent = legendText(state);
  });

  return { render, destroy: figure.destroy };
}

const curvesOf = ({ curves }: State) => [...curves.values()].sort((a, b) => a.source - b.source);

const stepsOf = (state: State): readonly [number, number] => [
  0,
  Math.max(0, (curvesOf(state)[0]?.delta_logprob.length ?? 1) - 1),
];

function sourceChart(state: State, theme: Theme, unit: Unit): LineChart {
  return {
    title: "One source at a time",
    xLabel: "middle layer of the window",
    yLabel: unit === "log p" ? "Δ log p (nats)" : "change of p (%)",
    lines: curvesOf(state).map((curve) => lineOf(curve, unit)),
    theme,
    steps: stepsOf(state),
    zero: "nothing cut",
  };
}

function lineOf(curve: Knockout, unit: Unit): Line {
  const values = unit === "log p" ? curve.delta_logprob : curve.percent;
  return {
    key: String(curve.source),
    label: visible(curve.label),
    note: `all layers ${showSigned(curve.all_layers)} nats`,
    points: values.flatMap((y, x) => (y === null ? [] : [{ x, y, error: 0 }])),
    slot: curve.source,
  };
}

/** The same number of random positions cut instead: what any cut of that size does. */
function controlChart(state: State, theme: Theme): LineChart {
  return {
    title: "Random positions instead",
    xLabel: "middle layer of the window",
    yLabel: "Δ log p (nats)",
    lines: curvesOf(state).map((curve) => ({
      key: String(curve.source),
      label: `instead of ${visible(curve.label)}`,
      note: `± ${showNumber(Math.max(...curve.control_deviation))} at most`,
      points: curve.control_mean.map((y, x) => ({
        x,
        y,
        error: curve.control_deviation[x] ?? 0,
      })),
      slot: curve.source,
    })),
    theme,
    steps: stepsOf(state),
    zero: "nothing cut",
  };
}

function legendText(state: State): string {
  const [first] = curvesOf(state);
  const widths = first?.windows.map(([from, to]) => Number(to) - Number(from) + 1) ?? [];
  const wide = Math.max(0, ...widths);
  const all = first ? ` ${state.curves.size} of ${first.sources} curves.` : "";
  return (
    `Each point: attention from the position that predicts the answer to the source is cut in ${wide} ` +
    `${wide === 1 ? "layer" : "layers"} around that layer (fewer at the ends). Below 0: the answer becomes ` +
    `less probable. Bands on the right: ± 1 standard deviation over random draws.${all}`
  );
}

const CHART_WIDTH = 430;

function sourceOf(state: State, theme: Theme, unit: Unit, context: ViewContext): FigureSource {
  return {
    table: () => curveTable(state),
    data: () => curvesOf(state),
    svg: () => {
      const sheet = createSheet("Information flow: knockout by layer", theme, get(context.run));
      const charts = [sourceChart(state, theme, unit), controlChart(state, theme)];
      const heights = charts.map((chart, i) => {
        const at = `translate(${i * (CHART_WIDTH + 20)},0)`;
        const group = sheet.body.append("g").attr("transform", at) as Group;
        return drawLineChart(group, chart, CHART_WIDTH).height;
      });
      return sheet.finish(2 * CHART_WIDTH + 20, Math.max(...heights));
    },
  };
}
