// Detail of the hovered or chosen token: what it passes on, what restoring it brings back.

import { HOVER } from "../../../base/pointing";
import { get } from "svelte/store";
import { button, element, facts, quotedToken, tokenText } from "../../../pictures/dom";
import { visible } from "../../../pictures/glyphs";
import { showNumber, showPercent, showSigned } from "../../../pictures/numbers";
import { fromOne } from "../../../pictures/ordinal";
import { indexOf } from "../../../view/position";
import type { Selected } from "../../../view/selection";
import type { ViewContext } from "../../../view/view";
import { edgeOf, toggleEdges } from "./choose";
import { samePlace } from "./edges";
import type { Edits } from "./edits";
import { effectOf, groupAt, groupsOf, textOf, type Panel, type Shown } from "./shown";
import { stateSentence } from "./tracing";

export function createDetail(root: HTMLElement, context: ViewContext, edits: Edits): Panel {
  let shown: Shown | null = null;
  root.tabIndex = 0; // it scrolls on small screens

  function mark(selected: Selected): void {
    if (!shown || shown.state.tokens.length === 0) return root.replaceChildren();
    const position = indexOf(selected.hover) ?? indexOf(selected.primary);
    root.replaceChildren(
      ...(position === null ? [hint()] : tokenParts(shown, position, selected, context, edits)),
    );
  }

  return {
    render(now) {
      shown = now;
      mark(get(context.selection));
    },
    mark,
    destroy: () => {
      root.removeAttribute("tabindex");
      root.replaceChildren();
    },
  };
}

const note = (text: string) => element("p", { class: "muted" }, text);

const hint = () =>
  note(
    `${HOVER} a token to see its effect. Click a cell of the matrix to choose a cut, then ` +
      "press Run with these cuts.",
  );

function tokenParts(
  shown: Shown,
  position: number,
  selected: Selected,
  context: ViewContext,
  edits: Edits,
): HTMLElement[] {
  const { state } = shown;
  const token = state.tokens[position];
  if (!token) return [];
  const place = position < state.promptLength ? "prompt" : "output";
  const group = groupAt(state, position);
  const identity = facts([
    ["Position", `${fromOne(position)} (${place})`],
    ["Id", String(token.id)],
    ["Vocabulary entry", tokenText(token.piece)],
    ...groupFact(shown, group),
  ]);
  return [
    element("h2", { class: "detail-title" }, tokenText(token.text || token.piece)),
    identity,
    ...(group === null ? [] : edgeParts(shown, group, selected, context, edits)),
    ...(group === null ? [] : stateParts(shown, group)),
    ...outputParts(shown, position),
  ];
}

function groupFact({ state }: Shown, group: number | null): [string, Node][] {
  const found = group === null ? undefined : groupsOf(state)[group];
  if (!found || found.end - found.start < 2) return [];
  return [[state.groups?.grouping === "sentence" ? "Sentence" : "Group", tokenText(found.text)]];
}

/** What the reader loses without this source, against the pinned one. */
function edgeParts(
  shown: Shown,
  source: number,
  selected: Selected,
  context: ViewContext,
  edits: Edits,
): HTMLElement[] {
  const { state, reader } = shown;
  if (state.rows.size === 0) return [];
  const heading = element(
    "h3",
    {},
    "Effect of cutting it from ",
    quotedToken(textOf(state, reader)),
  );
  const answer = effectOf(state, "answer", reader, source);
  const turned = effectOf(state, "reader's state", reader, source);
  if (answer === null || turned === null) {
    return [heading, note(source < reader ? "Not measured yet." : "Masked: comes later.")];
  }
  const pairs: [string, string | Node][] = [
    ["Δ log p of the answer", `${showSigned(answer)} nats`],
    ["Reader's state", `${showNumber(turned)} (1 − cosine)`],
    ["Rank", rankOf(shown, source)],
  ];
  const pinned = groupAt(state, indexOf(selected.pinned));
  const reference = pinned === null ? null : effectOf(state, "answer", reader, pinned);
  if (pinned !== null && pinned !== source && reference !== null) {
    pairs.push(["Pinned", tokenText(textOf(state, pinned))]);
    pairs.push(["Difference to pinned", `${showSigned(answer - reference)} nats`]);
  }
  return [heading, facts(pairs), edgeButton(shown, source, context, edits)];
}

/** 1: the answer loses most when it is cut. */
function rankOf({ state, reader }: Shown, source: number): string {
  const values = state.rows.get(reader)?.delta_logprob ?? [];
  const own = values[source] ?? 0;
  return `${values.filter((value) => value < own).length + 1} of ${values.length}`;
}

function edgeButton(
  { state, reader, edges }: Shown,
  source: number,
  context: ViewContext,
  edits: Edits,
): HTMLElement {
  const edge = edgeOf(state, reader, source);
  const chosen = edges.some((one) => samePlace(one, edge));
  const text = chosen ? "Remove this cut" : "Add this cut";
  return button(text, () => toggleEdges(context, edits, state, reader, [source]), { title: "x" });
}

function stateParts(shown: Shown, group: number): HTMLElement[] {
  const map = shown.state.traces.get(shown.restored);
  if (!map) return [];
  const groups = groupsOf(shown.state).length;
  const layers = Array.from({ length: map.layers }, (_, layer) => layer);
  const best = layers.reduce(
    (most, layer) =>
      (map.effect[layer * groups + group] ?? 0) > (map.effect[most * groups + group] ?? 0)
        ? layer
        : most,
    0,
  );
  const layer = shown.layer ?? best;
  if (layer >= map.layers) return [];
  const heading =
    shown.layer === null ? "Restored state with the largest effect" : "Restored state";
  return [element("h3", {}, heading), element("p", {}, stateSentence(shown, map, layer, group))];
}

function outputParts({ state }: Shown, position: number): HTMLElement[] {
  const step = state.output?.steps.find((one) => one.position === position);
  if (!step) return [];
  const numbers = facts([
    ["Probability", showPercent(Math.exp(step.logprob))],
    ["Log-probability", `${showNumber(step.logprob)} nats`],
    ["Rank", String(step.rank)],
    ["Entropy", `${showNumber(step.entropy)} nats`],
  ]);
  const others = step.alternatives.map(
    ({ text, logprob }) => `${visible(text)} ${showPercent(Math.exp(logprob))}`,
  );
  return [
    element("h3", {}, "As output"),
    numbers,
    note(
      `${others.length ? `Most probable: ${others.join(", ")}. ` : ""}Position ${fromOne(position)}.`,
    ),
  ];
}
