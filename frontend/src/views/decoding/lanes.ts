// Traces below each other as text: what they share with the reference, and where they part.

import { counted } from "../../base/plural";
import { element } from "../../pictures/dom";
import { legible } from "../../pictures/glyphs";
import { fromOne } from "../../pictures/ordinal";
import type { ViewContext } from "../../view/view";
import { align, type Alignment } from "./align";
import { answerText } from "./answer";
import { askedLine, askedTag, samplesTag } from "./asked";
import type { Trace } from "./traces";
import { textOf, writtenOf, type Written } from "./written";

/** A trace in the comparison. */
export interface Lane {
  key: string;
  trace: Trace;
  /** Empty: of this run. */
  source: string;
  alignment: Alignment;
}

export interface LaneHandlers {
  /** Makes the trace the one that others are compared with. */
  refer(key: string): void;
  choose(lane: Lane, position: number): void;
  remove(lane: Lane): void;
}

export const keyOf = (trace: Trace, source: string) => `${source}/${trace.start.trace}`;

const tokensOf = (trace: Trace) => writtenOf(trace).map((one) => one.text);
const aligned = new WeakMap<Trace, WeakMap<Trace, Alignment>>();

/** Texts are compared, not ids: another tokenizer may have written the other one. */
export function alignTraces(reference: Trace, other: Trace): Alignment {
  const known = aligned.get(reference) ?? new WeakMap<Trace, Alignment>();
  aligned.set(reference, known);
  const found = known.get(other) ?? align(tokensOf(reference), tokensOf(other));
  known.set(other, found);
  return found;
}

export function laneNode(
  lane: Lane,
  reference: string,
  handlers: LaneHandlers,
  { prefix }: Pick<ViewContext, "prefix">,
): HTMLElement {
  const { trace } = lane;
  const refers = lane.key === reference;
  const radio = element("input", { type: "radio", name: `${prefix}reference` }) as HTMLInputElement;
  radio.checked = refers;
  radio.addEventListener("change", () => handlers.refer(lane.key));
  const name = element("label", { class: "lane-name" }, radio, trace.start.label);
  if (trace.start.main) name.classList.add("strong");
  const remove = element("button", { type: "button", class: "quiet" }, "Remove");
  remove.addEventListener("click", () => handlers.remove(lane));
  const head = element(
    "div",
    { class: "lane-head" },
    name,
    lane.source ? element("span", { class: "lane-tag" }, lane.source) : null,
    approximationTag(trace),
    askedTag(trace),
    samplesTag(trace),
    element("span", { class: "muted lane-facts" }, factsOf(lane, refers)),
    lane.source ? remove : null,
  );
  return element("li", { class: "lane" }, head, askedLine(trace), textNode(lane, handlers));
}

function approximationTag({ start }: Trace): HTMLElement | null {
  const title = `Approximate: ${start.approximation}`;
  return start.approximation
    ? element("span", { class: "lane-tag warn", title }, "approximate")
    : null;
}

/** "47 forwards · 30 tokens, 12 wasted · 0.12 s · answer 4 · first difference at token 12". */
export function factsOf({ trace, alignment }: Lane, refers: boolean): string {
  const parts: string[] = [];
  const cost = trace.end?.cost;
  if (cost) {
    parts.push(counted(cost.main_forwards + cost.trial_forwards, "forward"));
    parts.push(`${counted(trace.end?.length ?? 0, "token")}, ${cost.tokens_wasted} wasted`);
    parts.push(`${cost.seconds.toFixed(2)} s`);
    parts.push((trace.end && answerText(trace.end)) || "no answer");
  } else parts.push("not finished");
  parts.push(refers ? "reference" : divergenceText(alignment));
  return parts.join(" · ");
}

export const divergenceText = ({ divergence }: Alignment) =>
  divergence === null ? "same text" : `first difference at token ${fromOne(divergence)}`;

function textNode(lane: Lane, handlers: LaneHandlers): HTMLElement {
  const written = writtenOf(lane.trace);
  const node = element("p", { class: "lane-text", dir: "auto" });
  if (written.length === 0) node.append(element("span", { class: "muted" }, "no tokens yet"));
  for (const { start, length } of runsOf(written, lane.alignment)) {
    if (start === lane.alignment.divergence) node.append(divergenceMark());
    const shared = lane.alignment.shared[start] ?? true;
    const shown = length < LONG_RUN ? written.slice(start, start + length) : [written[start]];
    node.append(...shown.flatMap((one) => (one ? [tokenNode(one, shared)] : [])));
    if (length >= LONG_RUN) node.append(element("span", { class: "muted" }, ` ×${length} `));
  }
  if (lane.alignment.divergence === written.length && written.length > 0)
    node.append(divergenceMark());
  node.addEventListener("click", (event) => {
    const token = (event.target as Element).closest<HTMLElement>("[data-position]");
    if (token) handlers.choose(lane, Number(token.dataset.position));
  });
  return node;
}

const LONG_RUN = 4; // a canvas ends in dozens of equal end-of-text tokens

/** Stretches of equal tokens that are all shared, or all not, and that the divergence begins. */
function runsOf(written: readonly Written[], { shared, divergence }: Alignment) {
  const runs: { start: number; length: number }[] = [];
  written.forEach((one, i) => {
    const last = runs.at(-1);
    const same = one.text === written[i - 1]?.text && shared[i] === shared[i - 1];
    if (last && same && i !== divergence) last.length += 1;
    else runs.push({ start: i, length: 1 });
  });
  return runs;
}

const divergenceMark = () =>
  element("strong", { class: "diverges", title: "First difference" }, "▸", spoken());
const spoken = () => element("span", { class: "visually-hidden" }, " first difference ");

function tokenNode(one: Written, shared: boolean): HTMLElement {
  const attributes = { class: shared ? "lane-token" : "lane-token differs" };
  const node = element("span", attributes, element("bdi", {}, legible(one.text)));
  node.dataset.position = String(one.position);
  if (one.text.includes("\n")) node.append(element("br", {}));
  return node;
}

export const laneText = (lane: Lane) => textOf(lane.trace);
