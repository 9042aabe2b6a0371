// Traces of one prompt side by side: text with the first difference, cost, answer.

import { get } from "svelte/store";
import { createBars, drawBars, type BarChart } from "../../pictures/bars";
import { button, element } from "../../pictures/dom";
import { download } from "../../pictures/export";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { visible } from "../../pictures/glyphs";
import type { Group } from "../../pictures/layer";
import { createSheet } from "../../pictures/sheet";
import type { Table } from "../../pictures/table";
import type { StripSection } from "../../pictures/tokenStrip";
import { drawStrip } from "../../pictures/tokenStripSvg";
import type { Theme } from "../../base/theme";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { createAdding } from "./adding";
import { rightOf } from "./answer";
import type { Added } from "./added";
import { eventsOf, writeTraces } from "./file";
import {
  alignTraces,
  divergenceText,
  factsOf,
  keyOf,
  laneNode,
  laneText,
  type Lane,
} from "./lanes";
import { choosePosition, chooseTrace, type Panel, type Shown } from "./shown";
import { mainOf, type Traces } from "./traces";
import { costCharts } from "./costs";
import { writtenOf } from "./written";

const REFERENCE = "reference";

export function createCompare(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Compare", "compare", context);
  const adding = createAdding(context, () => latest && render(latest));
  const save = button("Save traces", saveTraces, {
    class: "chip",
    title: "Save all traces of this run in one file; it opens without a model",
  });
  figure.controls.append(save, ...adding.controls);
  const list = element("ol", { class: "lanes" });
  const charts = element("div", { class: "charts" });
  figure.body.append(adding.node, list, charts);
  const bars = [0, 1, 2].map(() => createBars(charts.appendChild(element("div", {})), context));
  figure.legend.textContent =
    "▸: first token that differs from the reference. Tinted and dotted: tokens outside the longest " +
    "common subsequence. Wasted tokens: computed but not part of the output.";
  let latest: Shown | null = null;

  function saveTraces(): void {
    if (!latest) return;
    const method = get(context.run).method;
    download(`${method}-traces.json`, writeTraces(eventsOf(latest.traces)), "application/json");
  }

  const draw = whenChanged<Shown>(
    ({ traces, theme }) => [traces, theme, adding.added(), context.state.get(REFERENCE)],
    (shown) => {
      const { lanes, reference } = lanesOf(shown.traces, adding.added(), context);
      if (lanes.length === 0) return figure.hide();
      const handlers = {
        refer: (key: string) => context.state.set(REFERENCE, key === mainKey(shown) ? null : key),
        remove: (lane: Lane) => adding.remove(lane.source),
        choose(lane: Lane, position: number) {
          if (lane.source) return;
          chooseTrace(context, lane.trace);
          choosePosition(context, position);
        },
      };
      const drawn = costCharts(lanes, shown.theme);
      figure.update(sourceOf(lanes, reference, drawn, shown.theme, context));
      list.replaceChildren(...lanes.map((lane) => laneNode(lane, reference, handlers, context)));
      charts.hidden = drawn.length === 0;
      drawn.forEach((chart, i) => bars[i]?.render(chart));
    },
  );

  function render(shown: Shown): void {
    latest = shown;
    adding.render(shown);
    draw(shown);
  }

  return {
    render,
    destroy() {
      adding.destroy();
      figure.destroy();
    },
  };
}

const mainKey = ({ traces }: Shown) => {
  const main = mainOf(traces);
  return main ? keyOf(main, "") : "";
};

function lanesOf(traces: Traces, added: readonly Added[], context: ViewContext) {
  const own = traces.traces.map((trace) => ({ trace, source: "" }));
  const others = added.flatMap((one) => one.traces.map((trace) => ({ trace, source: one.source })));
  const all = [...own, ...others].map((one) => ({ ...one, key: keyOf(one.trace, one.source) }));
  const wanted = all.find((one) => one.key === context.state.get(REFERENCE));
  const reference = wanted ?? all.find((one) => one.trace === mainOf(traces)) ?? all[0];
  const lanes = all.map((one): Lane => ({
    ...one,
    alignment: alignTraces(reference?.trace ?? one.trace, one.trace),
  }));
  return { lanes, reference: reference?.key ?? "" };
}

const SHEET_WIDTH = 760;

function sourceOf(
  lanes: readonly Lane[],
  reference: string,
  charts: readonly BarChart[],
  theme: Theme,
  context: ViewContext,
): FigureSource {
  return {
    table: () => tableOf(lanes, reference),
    data: () =>
      lanes.map((lane) => ({
        decoder: lane.trace.start.label,
        source: lane.source || "this run",
        text: laneText(lane),
        divergence: lane.alignment.divergence,
        end: lane.trace.end,
      })),
    svg: () => {
      const sheet = createSheet("Traces of one prompt", theme, get(context.run));
      const sections = lanes.map((lane) => sectionOf(lane, lane.key === reference, theme));
      let { height } = drawStrip(sheet.body as Group, sections, SHEET_WIDTH, theme);
      for (const chart of charts) {
        const group = sheet.body.append("g").attr("transform", `translate(0,${height + 10})`);
        height += drawBars(group as Group, chart, 560).height + 14;
      }
      return sheet.finish(SHEET_WIDTH, height);
    },
  };
}

function sectionOf(lane: Lane, refers: boolean, theme: Theme): StripSection {
  const tint = theme === "dark" ? "#1b2a3d" : "#e6effa";
  const tokens = writtenOf(lane.trace).map((one, i) => {
    const differs = !(lane.alignment.shared[i] ?? true);
    return {
      key: one.position,
      text: one.text,
      piece: "∅",
      word: i,
      fill: differs ? tint : null,
      ink: null,
      state: "scored" as const,
      band: null,
      target: i === lane.alignment.divergence,
      label: one.text,
    };
  });
  return { label: `${lane.trace.start.label}: ${factsOf(lane, refers)}`, tokens };
}

function tableOf(lanes: readonly Lane[], reference: string): Table {
  return {
    caption: "Traces of one prompt",
    columns: [
      "decoder",
      "from",
      "text",
      "answer",
      "right",
      "forwards",
      "forwards in trials",
      "tokens",
      "computed",
      "wasted",
      "seconds",
      "seconds in forward passes",
      "first difference",
    ],
    rows: lanes.map((lane) => {
      const { end, start } = lane.trace;
      const cost = end?.cost;
      return [
        start.label,
        lane.source || "this run",
        visible(laneText(lane)),
        end?.answer ?? null,
        end ? rightOf(end) : null,
        cost ? cost.main_forwards + cost.trial_forwards : null,
        cost?.trial_forwards ?? null,
        end?.length ?? null,
        cost?.tokens_computed ?? null,
        cost?.tokens_wasted ?? null,
        cost?.seconds ?? null,
        cost?.model_seconds ?? null,
        lane.key === reference ? "reference" : divergenceText(lane.alignment),
      ];
    }),
  };
}
