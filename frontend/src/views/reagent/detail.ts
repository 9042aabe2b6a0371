// Detail of what is hovered or selected, and what can be run next from there.

import { HOVER } from "../../base/pointing";
import { get } from "svelte/store";
import type { Alternative, OutputStep } from "../../gen/reagent";
import { button, element, facts, quotedToken, tokenText } from "../../pictures/dom";
import { showNumber, showPercent, showSigned } from "../../pictures/numbers";
import { fromOne } from "../../pictures/ordinal";
import { indexOf } from "../../view/position";
import type { Selected } from "../../view/selection";
import type { ViewContext } from "../../view/view";
import { outputAt } from "./choose";
import { PART, positionState, rowName, scoredText, unitAt, type Unit } from "./maps";
import { unitName, type Panel, type Shown } from "./shown";
import type { State } from "./state";

export function createDetail(root: HTMLElement, context: ViewContext): Panel {
  let shown: Shown | null = null;

  function mark(selected: Selected): void {
    if (!shown || shown.state.tokens.length === 0) return root.replaceChildren();
    const position = indexOf(selected.hover) ?? indexOf(selected.primary);
    const span = selected.set.flatMap((item) => indexOf(item) ?? []);
    root.replaceChildren(
      ...(span.length > 1 ? [spanPart(shown, span, context)] : []),
      ...(position === null ? [hint(span.length > 1)] : tokenParts(shown, position, selected)),
    );
    const output = position === null ? null : outputAt(shown.state, position);
    if (output !== null) root.append(...outputParts(shown.state, output, context));
  }

  return {
    render(now) {
      shown = now;
      mark(get(context.selection));
    },
    mark,
    destroy: () => root.replaceChildren(),
  };
}

function hint(quiet: boolean): HTMLElement {
  const text =
    `${HOVER} a token for its scores. Click an output token to explain it; drag over several to ` +
    "explain them together.";
  return element("p", { class: "muted" }, quiet ? "" : text);
}

function tokenParts(shown: Shown, position: number, selected: Selected): HTMLElement[] {
  const token = shown.state.tokens[position];
  if (!token) return [];
  const found = unitAt(shown.units, position);
  const own = found?.partial ? positionState(shown.state, shown.row, position) : found?.state;
  const unit = found && own && { ...found, state: own };
  const title = element("h2", { class: "detail-title" }, tokenText(token.text || token.piece));
  const place = position < shown.state.promptLength ? "Prompt" : "Output";
  const identity = facts([
    ["Position", `${fromOne(position)} (${place.toLowerCase()})`],
    ["Id", String(token.id)],
    ["Vocabulary entry", tokenText(token.piece)],
  ]);
  return [title, identity, ...(unit && shown.state.maps ? scoreParts(shown, unit, selected) : [])];
}

/** 95 % intervals; runs of before say nothing of them. The factors are those of tokens. */
function intervalsOf({ state, row, granularity }: Shown, unit: Unit): [string, string][] {
  const event = state.maps?.event;
  const joint = event?.joint_factor?.[row];
  if (!event?.single_factor || joint === undefined || granularity !== "token") return [];
  const width = (factor: number) =>
    `${showSigned(unit.mean - factor * unit.error)} to ${showSigned(unit.mean + factor * unit.error)}`;
  return [
    ["95 % interval", width(event.single_factor)],
    ["95 % band, all tokens at once", width(joint)],
  ];
}

function scoreParts(shown: Shown, unit: Unit, selected: Selected): HTMLElement[] {
  const name = rowName(shown.state, shown.row);
  const heading = element("h3", {}, "As input for ", quotedToken(name));
  if (unit.state === "masked") return [heading, note("Protected: never replaced, no score.")];
  if (unit.state === "outside") return [heading, note("Comes after this output token.")];
  const scored = shown.units.filter((one) => one.state === "scored").length;
  const pairs: [string, string | Node][] = [
    ["Score", `${showSigned(unit.mean)} ± ${showNumber(unit.error)} ${unitName(shown.state)}`],
    ["Rank", `${unit.rank ?? "–"} of ${scored}`],
    ...intervalsOf(shown, unit),
  ];
  if (shown.granularity !== "token") pairs.unshift(unitFact(shown, unit));
  const pinned = indexOf(selected.pinned);
  const reference = pinned === null ? undefined : unitAt(shown.units, pinned);
  if (reference?.state === "scored" && reference.index !== unit.index) {
    pairs.push(["Pinned", tokenText(reference.text)]);
    pairs.push(["Difference to pinned", showSigned(unit.mean - reference.mean)]);
  }
  return [heading, facts(pairs)];
}

function unitFact({ state, row, granularity }: Shown, unit: Unit): [string, Node] {
  const name = unit.partial ? `${granularity}, ${PART}` : granularity;
  return [name, tokenText(scoredText(state, row, unit))];
}

const note = (text: string) => element("p", { class: "muted" }, text);

function outputParts(state: State, output: number, context: ViewContext): HTMLElement[] {
  const step = state.output?.steps[output];
  if (!step) return [];
  const heading = element("h3", {}, `As output token ${fromOne(output)}`);
  const numbers = facts([
    ["Probability", showPercent(Math.exp(step.logprob))],
    ["Log-probability", `${showNumber(step.logprob)} nats`],
    ["Rank", String(step.rank)],
    ["Entropy", `${showNumber(step.entropy)} nats`],
  ]);
  return [heading, numbers, alternativesPart(state, output, step, context)].concat(
    explainButton("Explain in a new run", { target_start: output, target_length: 1 }, context),
  );
}

function alternativesPart(
  state: State,
  output: number,
  step: OutputStep,
  context: ViewContext,
): HTMLElement {
  const written = state.tokens[step.position]?.id;
  const items = step.alternatives.map((one) =>
    alternativeItem(one, one.id === written, output, context),
  );
  if (items.length === 0) return note("A long output lists alternatives near the target only.");
  const list = element("ol", { class: "alternatives" }, ...items);
  return element("div", {}, element("h3", {}, "Most probable tokens at this position"), list);
}

function alternativeItem(
  one: Alternative,
  written: boolean,
  output: number,
  context: ViewContext,
): HTMLElement {
  const share = Math.exp(one.logprob);
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  bar.style.width = `${(100 * share).toFixed(1)}%`;
  const { rerun } = context;
  const contrast = () => rerun?.({ target_start: output, target_length: 1, contrast: one.id });
  const action = written
    ? element("span", { class: "muted" }, "written")
    : rerun && button("Contrast", contrast, { title: "Start a new run: why not this token?" });
  const probability = element("span", { class: "number" }, showPercent(share));
  return element("li", {}, bar, tokenText(one.text), probability, action ?? null);
}

function spanPart(shown: Shown, positions: readonly number[], context: ViewContext): HTMLElement {
  const { state } = shown;
  const text = positions.map((position) => state.tokens[position]?.text ?? "").join("");
  const title = element("h2", { class: "detail-title" }, tokenText(text));
  const outputs = positions.flatMap((position) => outputAt(state, position) ?? []);
  if (outputs.length === positions.length) {
    const span = {
      target_start: Math.min(...outputs),
      target_length: outputs.length,
      contrast: "",
    };
    const count = note(`${outputs.length} output tokens, explained together in a new run.`);
    return element("section", {}, title, count, ...explainButton("Explain span", span, context));
  }
  const units = new Set(positions.flatMap((position) => unitAt(shown.units, position) ?? []));
  const sum = [...units].reduce((total, unit) => total + unit.mean, 0);
  const score = facts([["Sum of scores", `${showSigned(sum)} ${unitName(state)}`]]);
  return element("section", {}, title, note(`${positions.length} prompt tokens`), score);
}

function explainButton(
  text: string,
  changes: Record<string, unknown>,
  { rerun }: ViewContext,
): HTMLElement[] {
  const full = { contrast: "", ...changes };
  return rerun ? [button(text, () => rerun(full), { class: "primary" })] : [];
}
