// The chosen token: its probability and entropy, the alternatives, and the runs that start from it.

import { HOVER } from "../../base/pointing";
import { get } from "svelte/store";
import type { Candidate, TokenStep } from "../../gen/cntp";
import { element, facts, tokenText } from "../../pictures/dom";
import { showNumber, showPercent } from "../../pictures/numbers";
import { fromOne } from "../../pictures/ordinal";
import type { Selected } from "../../view/selection";
import type { ViewContext } from "../../view/view";
import { explainLink } from "../decoding/explainLink";
import { outputIndex, type Panel, type Shown } from "../decoding/shown";
import { branchButton } from "../decoding/take";
import type { Trace } from "../decoding/traces";
import { writtenOf, type Written } from "../decoding/written";

export function createDetail(root: HTMLElement, context: ViewContext): Panel {
  let latest: Shown | null = null;

  function mark({ hover }: Selected): void {
    const position = outputIndex(hover) ?? latest?.position ?? null;
    const trace = latest?.trace;
    if (!trace) return root.replaceChildren();
    const one = writtenOf(trace).find((written) => written.position === position);
    root.replaceChildren(...(one ? parts(trace, one, context) : [hint()]));
  }

  return {
    render(shown) {
      latest = shown;
      mark(get(context.selection));
    },
    mark,
    destroy: () => root.replaceChildren(),
  };
}

const hint = () =>
  element(
    "p",
    { class: "muted" },
    `${HOVER} a token for its numbers; click it to keep them, to explain it, or to force another ` +
      "one there.",
  );

function parts(trace: Trace, one: Written, context: ViewContext): HTMLElement[] {
  const step = trace.steps[one.step];
  const title = element("h2", { class: "detail-title" }, tokenText(one.text || "∅"));
  const link = explainLink(context, trace, one.position);
  const looked = step && one.place === 0 ? lookParts(trace, one, step, context) : [];
  return [title, numbers(trace, one, step), ...(link ? [link] : []), ...looked];
}

function numbers(trace: Trace, one: Written, step: TokenStep | undefined): HTMLElement {
  const pairs: [string, string][] = [
    ["Decoder", trace.start.label],
    ["Position", `${fromOne(one.position)} of the output`],
    ["Id", String(one.id)],
  ];
  if (one.logprob !== null) {
    pairs.push(["Probability", `${showPercent(Math.exp(one.logprob))} (model alone)`]);
  }
  if (one.entropy !== null)
    pairs.push(["Entropy", `${showNumber(one.entropy)} nats (after sampling filters)`]);
  if (one.span > 1) pairs.push(["Trial token", `${one.place + 1} of ${one.span}`]);
  if (step && one.place === 0) {
    pairs.push(["Raw entropy", `${showNumber(step.entropy_raw)} nats`]);
    pairs.push(["Varentropy", `${showNumber(step.varentropy)} nats²`]);
    pairs.push(["Trials", step.trials > 1 ? String(step.trials) : "none"]);
    pairs.push(["Chosen", REASONS[step.reason]]);
    pairs.push(["Forward passes so far", String(step.forwards)]);
  }
  return facts(pairs);
}

const REASONS: Record<TokenStep["reason"], string> = {
  drawn: "sampled",
  likeliest: "most probable token",
  forced: "forced by you",
  trials: "by comparing trials",
};

function lookParts(
  trace: Trace,
  one: Written,
  step: TokenStep,
  context: ViewContext,
): HTMLElement[] {
  const items = step.candidates.map((candidate) => item(trace, one, candidate, context));
  return [
    element("h3", {}, "Alternatives at this position"),
    element("ol", { class: "alternatives" }, ...items),
    element(
      "p",
      { class: "muted" },
      "Bar and number: probability under the model alone; in brackets: after sampling filters.",
    ),
  ];
}

function item(trace: Trace, one: Written, candidate: Candidate, context: ViewContext): HTMLElement {
  const share = Math.exp(candidate.logprob_raw);
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  bar.style.width = `${(100 * share).toFixed(1)}%`;
  const warped = candidate.probability > 0 ? showPercent(candidate.probability) : "filtered out";
  const decision = { position: one.position, token: candidate.id };
  const hint = "Start a new run that forces this token here and continues from it";
  const action =
    candidate.id === one.id
      ? element("span", { class: "muted" }, "chosen")
      : branchButton("Force", hint, trace, decision, context);
  const left = element("small", { class: "muted" }, `(${warped})`);
  const number = element("span", { class: "number" }, `${showPercent(share)} `, left);
  const text = tokenText(candidate.text);
  text.title = candidate.text; // a narrow pane cuts what is long
  return element("li", {}, bar, text, number, action);
}
