// A position of the canvas: what was seen there in the shown step, why it was written, and what
// else could be there.

import { HOVER } from "../../base/pointing";
import { get } from "svelte/store";
import type { CanvasCandidate, CanvasStep } from "../../gen/local_leap";
import { element, facts, tokenText } from "../../pictures/dom";
import { showNumber, showConfidence, showPercent } from "../../pictures/numbers";
import { fromOne } from "../../pictures/ordinal";
import type { Selected } from "../../view/selection";
import type { ViewContext } from "../../view/view";
import { explainLink } from "../decoding/explainLink";
import { outputIndex, type Panel, type Shown } from "../decoding/shown";
import { branchButton } from "../decoding/take";
import type { Trace } from "../decoding/traces";
import type { Clock } from "./clock";
import { commitSteps, doubtOf } from "./moment";
import { REASONS } from "./reasons";

export function createDetail(root: HTMLElement, context: ViewContext, clock: Clock): Panel {
  let latest: Shown | null = null;

  function mark({ hover }: Selected): void {
    const position = outputIndex(hover) ?? latest?.position ?? null;
    const trace = latest?.trace;
    if (!trace) return root.replaceChildren();
    if (position === null || position >= trace.start.length) return root.replaceChildren(hint());
    root.replaceChildren(...parts(trace, position, get(clock).step, context));
  }

  const stop = clock.subscribe(() => mark(get(context.selection)));
  return {
    render(shown) {
      latest = shown;
      mark(get(context.selection));
    },
    mark,
    destroy() {
      stop();
      root.replaceChildren();
    },
  };
}

const hint = () =>
  element(
    "p",
    { class: "muted" },
    `${HOVER} a position for its numbers; click it to keep them, to explain its token, or to force ` +
      "another one there. ← →: previous and next step; space: play.",
  );

function parts(trace: Trace, position: number, at: number, context: ViewContext): HTMLElement[] {
  const step = trace.canvas[at];
  const done = commitSteps(trace).get(position);
  const text = trace.output?.texts[position] ?? done?.commit.text ?? "▒";
  const title = element("h2", { class: "detail-title" }, tokenText(text || "∅"));
  const link = explainLink(context, trace, position);
  const looked = step ? lookParts(trace, step, position, context) : [];
  return [title, writtenFacts(trace, position), ...(link ? [link] : []), ...looked];
}

function writtenFacts(trace: Trace, position: number): HTMLElement {
  const done = commitSteps(trace).get(position);
  const pairs: [string, string][] = [
    ["Decoder", trace.start.label],
    ["Position", `${fromOne(position)} of ${trace.start.length}`],
  ];
  if (!done) return facts([...pairs, ["Committed", "not yet"]]);
  const { commit, step } = done;
  const seen = trace.canvas[step];
  const doubt = seen ? doubtOf(seen, position) : null;
  pairs.push(["Id", String(commit.id)], ["Committed", `in step ${fromOne(step)}`]);
  pairs.push(["Reason", REASONS[commit.reason].label]);
  if (commit.confidence !== null)
    pairs.push(["Confidence", showConfidence(commit.confidence, doubt)]);
  if (commit.threshold !== null) pairs.push(["Threshold", showPercent(commit.threshold)]);
  if (commit.anchor !== null)
    pairs.push([
      "Nearest anchor",
      `position ${fromOne(commit.anchor)}, distance ${commit.distance ?? 0}`,
    ]);
  return facts(pairs);
}

function lookParts(
  trace: Trace,
  step: CanvasStep,
  position: number,
  context: ViewContext,
): HTMLElement[] {
  const at = step.positions.indexOf(position);
  const heading = element("h3", {}, `Prediction in step ${fromOne(step.index)}`);
  if (at < 0) return [heading, element("p", { class: "muted" }, "Not evaluated in this step.")];
  const numbers = facts([
    ["Most probable token", tokenText(step.texts[at] ?? "")],
    ["Confidence", showConfidence(step.confidences[at] ?? 0, step.doubts?.[at])],
    ["Entropy", `${showNumber(step.entropies[at] ?? 0)} nats`],
    ["Gap to the second", showPercent(step.gaps[at] ?? 0)],
    ["State", stateOf(step, position)],
  ]);
  const written = step.commits.find((commit) => commit.position === position)?.id ?? null;
  const items = (step.alternatives[at] ?? []).map((candidate) =>
    item(trace, step, position, candidate, candidate.id === written, context),
  );
  return [heading, numbers, element("ol", { class: "alternatives" }, ...items)];
}

function stateOf(step: CanvasStep, position: number): string {
  if (step.anchors.includes(position)) return "anchor";
  if (step.near_misses.includes(position)) return "near miss: near an anchor, confidence below τ";
  const near = step.neighbourhood.some(([from = 0, to = -1]) => from <= position && position <= to);
  return near ? "near an anchor" : "not near an anchor";
}

function item(
  trace: Trace,
  step: CanvasStep,
  position: number,
  candidate: CanvasCandidate,
  written: boolean,
  context: ViewContext,
): HTMLElement {
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  bar.style.width = `${(100 * candidate.probability).toFixed(1)}%`;
  const decision = { step: step.index, position, token: candidate.id };
  const hint = `Start a new run that forces this token here in step ${fromOne(step.index)} and continues from it`;
  const action = written
    ? element("span", { class: "muted" }, "committed")
    : branchButton("Force", hint, trace, decision, context);
  const number = element("span", { class: "number" }, showPercent(candidate.probability));
  return element("li", {}, bar, tokenText(candidate.text), number, action);
}
