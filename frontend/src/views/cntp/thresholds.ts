// Trial counts that other thresholds would give on the stored entropies, without a new run.

import { counted } from "../../base/plural";
import { get } from "svelte/store";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { LINES } from "../../pictures/colour";
import { button, element } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { type Group, layer, words } from "../../pictures/layer";
import { fromOne, indexColumn } from "../../pictures/ordinal";
import { createSheet, inkOf, mutedOf, ruleOf } from "../../pictures/sheet";
import type { Theme } from "../../base/theme";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import type { Panel, Shown } from "../decoding/shown";
import type { Trace } from "../decoding/traces";
import { FORMULAS, MODES, refuse, tally, thresholdsOf, trialsAt, type Thresholds } from "./remap";

/** An evaluation of the next token: its entropy, the trials it drew and those it would draw. */
interface Evaluation {
  position: number;
  entropy: number;
  before: number;
  after: number;
}

interface Mapping {
  before: Thresholds;
  after: Thresholds;
  evaluations: Evaluation[];
  theme: Theme;
}

const KEY = "remap";

export function createThresholds(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Other thresholds (no new run)", "thresholds", context);
  const form = createForm((thresholds) => context.state.set(KEY, write(thresholds)));
  const reset = button("As run", () => context.state.set(KEY, null), { class: "chip" });
  const run = button("Run with these", () => start(), { class: "chip" });
  figure.controls.append(reset, ...(context.rerun ? [run] : []));
  const line = element("p", { class: "readout", role: "status" });
  const holder = element("div", { class: "scroll", tabindex: "0", role: "region" });
  holder.setAttribute("aria-label", "Trials by entropy, scrolls horizontally");
  figure.body.append(form.node, line, holder);
  const svg = select(holder).append("svg").attr("role", "img");
  const group = svg.append("g") as Group;
  figure.legend.textContent =
    "Horizontal: entropy H of each evaluation in nats; vertical: number of trials N. Solid line: " +
    "thresholds above; dashed: as run. ●: evaluation under the thresholds above, joined to ○, as run. " +
    "The text is the stored one: with other thresholds it would change after its first new branch point.";
  let wanted: Thresholds | null = null;

  function start(): void {
    if (!wanted || refuse(wanted)) return;
    const { low, high, most, formula, mode } = wanted;
    context.rerun?.({ entropy_low: low, entropy_high: high, max_trials: most, formula, mode });
  }

  const draw = whenChanged<Shown>(
    ({ trace, theme }) => [trace, theme, context.state.get(KEY)],
    ({ trace, theme }) => {
      const before = trace && thresholdsOf(trace.start.settings);
      if (!before || trace.steps.length === 0 || trace.start.decoder !== "cntp") {
        return figure.hide();
      }
      wanted = read(context.state.get(KEY), before);
      form.render(wanted);
      const problem = refuse(wanted);
      run.toggleAttribute("disabled", problem !== null);
      if (problem) return void (line.textContent = problem);
      const mapping = { before, after: wanted, evaluations: evaluationsOf(trace, wanted), theme };
      line.textContent = sentence(mapping);
      figure.update(sourceOf(mapping, context));
      const size = drawMapping(group, mapping, Math.min(720, holder.clientWidth || 620));
      svg.attr("width", size.width).attr("height", size.height);
      svg.attr("aria-label", sentence(mapping));
    },
  );
  return { render: draw, destroy: figure.destroy };
}

const write = ({ low, high, most, formula, mode }: Thresholds) =>
  [low, high, most, formula, mode].join(",");

function read(text: string | null, before: Thresholds): Thresholds {
  const [low, high, most, formula, mode] = (text ?? "").split(",");
  const number = (given: string | undefined, otherwise: number) =>
    given === undefined || text === null ? otherwise : given === "" ? NaN : Number(given);
  return {
    low: number(low, before.low),
    high: number(high, before.high),
    most: number(most, before.most),
    formula: FORMULAS.find((one) => one === formula) ?? before.formula,
    mode: MODES.find((one) => one === mode) ?? before.mode,
  };
}

const evaluationsOf = (trace: Trace, after: Thresholds): Evaluation[] =>
  trace.steps.map(({ position, entropy, trials }) => ({
    position,
    entropy,
    before: trials,
    after: trialsAt(entropy, after),
  }));

function sentence({ evaluations }: Mapping): string {
  const before = tally(evaluations.map((one) => one.before));
  const after = tally(evaluations.map((one) => one.after));
  return (
    `${counted(evaluations.length, "evaluation")}: branch points ${before.branchPoints} → ${after.branchPoints}, ` +
    `trials ${before.trials} → ${after.trials}, most at one branch point ${before.most} → ${after.most}.`
  );
}

const NUMBERS = [
  ["low", "H_lo (nats)", "0.01"],
  ["high", "H_hi (nats)", "0.01"],
  ["most", "N_max", "1"],
] as const;
const CHOICES = [
  ["formula", "Formula", FORMULAS],
  ["mode", "Mode", MODES],
] as const;

function createForm(changed: (thresholds: Thresholds) => void) {
  let current: Thresholds | null = null;
  const change = (part: Partial<Thresholds>) => current && changed({ ...current, ...part });
  const inputs = NUMBERS.map(([name, label, step]) => {
    const input = element("input", { type: "number", step, min: "0" }) as HTMLInputElement;
    input.addEventListener("input", () => change({ [name]: input.valueAsNumber }));
    return { name, input, node: element("label", {}, label, input) };
  });
  const selects = CHOICES.map(([name, label, values]) => {
    const options = values.map((value) => element("option", { value }, value));
    const input = element("select", {}, ...options) as HTMLSelectElement;
    input.addEventListener("change", () => change({ [name]: input.value }));
    return { name, input, node: element("label", {}, label, input) };
  });
  const all = [...inputs, ...selects];
  return {
    node: element("div", { class: "thresholds" }, ...all.map(({ node }) => node)),
    render(thresholds: Thresholds) {
      current = thresholds;
      for (const { name, input } of all) {
        const value = thresholds[name];
        const typing = input === document.activeElement;
        if (!typing) input.value = Number.isNaN(value) ? "" : String(value);
      }
    },
  };
}

const PLOT = { left: 40, top: 12, height: 170, bottom: 40, right: 12 };

function drawMapping(group: Group, { before, after, evaluations, theme }: Mapping, width: number) {
  const widest = Math.max(before.high, after.high, ...evaluations.map((one) => one.entropy)) * 1.03;
  const most = Math.max(before.most, after.most);
  const x = scaleLinear([0, widest], [PLOT.left, width - PLOT.right]);
  const y = scaleLinear([0, most + 0.5], [PLOT.top + PLOT.height, PLOT.top]);
  const bottom = layer(group, "x-axis").attr("transform", `translate(0,${y(0)})`);
  bottom.call(axisBottom(x).ticks(6).tickSizeOuter(0));
  const left = layer(group, "y-axis").attr("transform", `translate(${PLOT.left},0)`);
  left.call(axisLeft(y).ticks(Math.min(most, 6), "d").tickSizeOuter(0));
  for (const axis of [bottom, left]) {
    axis.attr("font-family", null).selectAll("line, path").attr("stroke", ruleOf(theme));
    axis.selectAll("text").attr("fill", mutedOf(theme)).attr("font-size", 10.5);
  }
  const stair = (thresholds: Thresholds) => stairPath(thresholds, widest, x, y);
  layer(group, "stairs")
    .selectAll("path")
    .data([before, after])
    .join("path")
    .attr("fill", "none")
    .attr("stroke", (_, i) => (i ? (LINES[theme][0] ?? "") : mutedOf(theme)))
    .attr("stroke-width", (_, i) => (i ? 2 : 1.4))
    .attr("stroke-dasharray", (_, i) => (i ? null : "5 3"))
    .attr("d", stair);
  drawEvaluations(group, evaluations, x, y, theme);
  const below = { x: PLOT.left, y: y(0) + 32, size: 11, ink: mutedOf(theme) };
  words(group, "x-label", "entropy H (nats) → trials N", below);
  return { width, height: PLOT.top + PLOT.height + PLOT.bottom };
}

type Scale = ReturnType<typeof scaleLinear<number, number>>;
const SAMPLES = 400;

/** N over H, sampled finely enough that its steps appear upright. */
function stairPath(thresholds: Thresholds, widest: number, x: Scale, y: Scale): string {
  const points = Array.from({ length: SAMPLES + 1 }, (_, i) => (i / SAMPLES) * widest);
  const parts = points.map((h) => `${x(h).toFixed(1)},${y(trialsAt(h, thresholds)).toFixed(1)}`);
  return `M${parts.join("L")}`;
}

function drawEvaluations(
  group: Group,
  evaluations: readonly Evaluation[],
  x: Scale,
  y: Scale,
  theme: Theme,
): void {
  const changed = evaluations.filter((one) => one.before !== one.after);
  layer(group, "moves")
    .selectAll("line")
    .data(changed)
    .join("line")
    .attr("x1", (one) => x(one.entropy))
    .attr("x2", (one) => x(one.entropy))
    .attr("y1", (one) => y(one.before))
    .attr("y2", (one) => y(one.after))
    .attr("stroke", mutedOf(theme));
  layer(group, "old")
    .selectAll("circle")
    .data(changed)
    .join("circle")
    .attr("r", 3.5)
    .attr("fill", "none")
    .attr("stroke", mutedOf(theme))
    .attr("cx", (one) => x(one.entropy))
    .attr("cy", (one) => y(one.before));
  layer(group, "new")
    .selectAll("circle")
    .data(evaluations)
    .join((enter) => enter.append("circle").call((circle) => circle.append("title")))
    .attr("r", 3.5)
    .attr("fill", inkOf(theme))
    .attr("fill-opacity", 0.6)
    .attr("cx", (one) => x(one.entropy))
    .attr("cy", (one) => y(one.after))
    .select("title")
    .text(
      ({ position, before, after }) => `token ${fromOne(position)}: ${before} → ${after} trials`,
    );
}

function sourceOf(mapping: Mapping, context: ViewContext): FigureSource {
  const rows = mapping.evaluations.map((one) => [
    one.position,
    one.entropy,
    one.before,
    one.after,
    one.before !== one.after,
  ]);
  const columns = [
    indexColumn("output token"),
    "H (nats)",
    "N as run",
    "N with other thresholds",
    "changed",
  ];
  return {
    table: () => ({ caption: sentence(mapping), columns, rows }),
    data: () => ({ as_run: mapping.before, mapped: mapping.after, looks: mapping.evaluations }),
    svg: () => {
      const title = `Other thresholds (no new run). ${sentence(mapping)}`;
      const sheet = createSheet(title, mapping.theme, get(context.run));
      const size = drawMapping(sheet.body as Group, mapping, 620);
      return sheet.finish(size.width, size.height);
    },
  };
}
