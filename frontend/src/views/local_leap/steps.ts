// Tokens per step by reason, and the same for every decoder of the run.

import { counted } from "../../base/plural";
import { get } from "svelte/store";
import type { CanvasStep } from "../../gen/local_leap";
import { createBars, drawBars, type BarChart } from "../../pictures/bars";
import { createColumns, drawColumns, type ColumnChart } from "../../pictures/columns";
import { element } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import type { Group } from "../../pictures/layer";
import { fromOne, indexColumn } from "../../pictures/ordinal";
import { createSheet } from "../../pictures/sheet";
import { whenChanged } from "../../view/panel";
import type { Theme } from "../../base/theme";
import type { ViewContext } from "../../view/view";
import type { Panel, Shown } from "../decoding/shown";
import type { Trace } from "../decoding/traces";
import { reasonsOf } from "./canvas";
import type { Clock } from "./clock";
import { categoriesOf, REASONS, type Reason } from "./reasons";

export function createSteps(root: HTMLElement, context: ViewContext, clock: Clock): Panel {
  const figure = createFigure(root, "Tokens per step", "steps", context);
  const holder = element("div", { class: "scroll", tabindex: "0", role: "region" });
  holder.setAttribute("aria-label", "Tokens per step, scrolls horizontally");
  figure.body.append(holder);
  const columns = createColumns(holder, context, (step) => clock.go(step));
  const bars = createBars(figure.body.appendChild(element("div", {})), context);
  figure.legend.textContent =
    "One column per step of the decoder shown; height: committed tokens, fill: reason. Click a column " +
    "to go to its step. Bars below: committed tokens of every decoder by reason.";
  let shown: Shown | null = null;

  const draw = whenChanged<Shown>(
    ({ traces, trace, theme }) => [traces.traces, trace, theme],
    ({ traces, trace, theme }) => {
      if (!trace || trace.canvas.length === 0) return figure.hide();
      const chart = reasonChart(traces.traces, theme);
      figure.update(sourceOf(trace, traces.traces, theme, chart, context));
      bars.render(chart);
    },
  );
  const tick = () => {
    if (!shown?.trace?.canvas.length) return;
    columns.render(stepChart(shown.trace, shown.theme, get(clock).step));
  };
  const stop = clock.subscribe(tick);
  return {
    render(now) {
      shown = now;
      draw(now);
      tick();
    },
    destroy() {
      stop();
      figure.destroy();
    },
  };
}

function stepChart(trace: Trace, theme: Theme, current: number | null): ColumnChart {
  const categories = categoriesOf(reasonsOf(trace));
  const { canvas, start } = trace;
  const mean = canvas.reduce((sum, step) => sum + step.commits.length, 0) / (canvas.length || 1);
  return {
    title: `${start.label}: ${canvas.length} steps, ${mean.toFixed(2)} tokens per step`,
    xLabel: "step",
    stem: "step",
    categories,
    columns: canvas.map((step) => ({
      label: String(fromOne(step.index)),
      parts: categories.map(({ key }) => countOf(step, key)),
      title: titleOf(step),
    })),
    current,
    theme,
  };
}

const countOf = ({ commits }: CanvasStep, reason: Reason) =>
  commits.filter((commit) => commit.reason === reason).length;

function titleOf(step: CanvasStep): string {
  const reasons = new Set(step.commits.map(({ reason }) => reason));
  const parts = [...reasons].map((reason) => `${countOf(step, reason)} ${REASONS[reason].label}`);
  if (step.near_misses.length)
    parts.push(counted(step.near_misses.length, "near miss", "near misses"));
  return `step ${fromOne(step.index)}: ${parts.join(", ")}`;
}

function reasonChart(traces: readonly Trace[], theme: Theme): BarChart {
  const drawn = traces.filter(({ canvas }) => canvas.length > 0);
  const categories = categoriesOf(drawn.flatMap(reasonsOf));
  return {
    title: "Tokens by reason",
    stem: "reason",
    categories,
    theme,
    bars: drawn.map((trace) => {
      const reasons = reasonsOf(trace);
      return {
        key: String(trace.start.trace),
        label: trace.start.label,
        parts: categories.map(({ key }) => reasons.filter((reason) => reason === key).length),
        note: `${reasons.length} in ${counted(trace.canvas.length, "step")}, ${counted(misses(trace), "near miss", "near misses")}`,
        strong: trace.start.main,
      };
    }),
  };
}

const misses = ({ canvas }: Trace) =>
  canvas.reduce((sum, { near_misses }) => sum + near_misses.length, 0);

function sourceOf(
  trace: Trace,
  traces: readonly Trace[],
  theme: Theme,
  chart: BarChart,
  context: ViewContext,
): FigureSource {
  const steps = traces.flatMap((one) => one.canvas.map((step) => ({ one, step })));
  const names = chart.categories.map(({ key }) => key as Reason);
  return {
    table: () => ({
      caption: "Tokens per step, by reason",
      columns: [
        "decoder",
        indexColumn("step"),
        "block",
        "tokens",
        ...names.map((name) => REASONS[name].label),
        "near misses",
      ],
      rows: steps.map(({ one, step }) => [
        one.start.label,
        step.index,
        step.block,
        step.commits.length,
        ...names.map((name) => countOf(step, name)),
        step.near_misses.length,
      ]),
    }),
    data: () =>
      steps.map(({ one, step: { index, block, commits, near_misses } }) => {
        return { decoder: one.start.label, index, block, commits, near_misses };
      }),
    svg: () => {
      const sheet = createSheet("Tokens per step", theme, get(context.run));
      const above = sheet.body.append("g") as Group;
      const size = drawColumns(above, stepChart(trace, theme, null), 700);
      const below = sheet.body.append("g").attr("transform", `translate(0,${size.height + 14})`);
      const { height } = drawBars(below as Group, chart, 700);
      return sheet.finish(Math.max(700, size.width), size.height + 14 + height);
    },
  };
}
