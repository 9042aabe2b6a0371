// The text and its answer: filled with what a reader loses when a token is cut from it.

import { get } from "svelte/store";
import { button, element, quotedToken } from "../../../pictures/dom";
import { createFigure, type FigureSource } from "../../../pictures/figure";
import { legible } from "../../../pictures/glyphs";
import { drawKey, renderLegend, type Legend } from "../../../pictures/legend";
import type { Group } from "../../../pictures/layer";
import { showNumber, showPercent, showSigned } from "../../../pictures/numbers";
import { createSheet } from "../../../pictures/sheet";
import { AGAINST_WORDS, SUPPORT_WORDS } from "../../../pictures/support";
import { createTokenStrip } from "../../../pictures/tokenStrip";
import { drawStrip } from "../../../pictures/tokenStripSvg";
import { POSITION, positionItem } from "../../../view/position";
import type { Selected } from "../../../view/selection";
import type { ViewContext } from "../../../view/view";
import { marksOf, sectionsOf, type Filling } from "./sections";
import { effectOf, groupsOf, nameOf, scaleOf, unitOf, type Panel, type Shown } from "./shown";
import { rowTable } from "./tables";

export function createStrip(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Answer: effect of cutting each token", "text", context);
  const toAnswer = button("Effect on the answer", () => context.state.set("reader", null), {
    class: "chip",
    title: "Fill by the effect on the position that predicts the answer",
  });
  figure.controls.append(toAnswer);
  const heading = figure.body.appendChild(element("p", { class: "explaining" }));
  let shown: Shown | null = null;
  const strip = createTokenStrip(figure.body, "Tokens", {
    hover: (key) => context.selection.hover(key === null ? null : positionItem(key)),
    choose: (key) => context.selection.choose(positionItem(key)),
    extend: (from, to) => chooseSpan(context, from, to),
    others: { marks: context.marks, kind: POSITION },
    keys: context.keys,
  });

  function render(now: Shown): void {
    shown = now;
    if (now.state.tokens.length === 0) return;
    const filling = fillingOf(now);
    toAnswer.hidden = filling === null;
    toAnswer.setAttribute("aria-pressed", String(readsAnswer(now)));
    heading.replaceChildren(...headingOf(now));
    strip.render(sectionsOf(now.state, filling));
    if (filling) renderLegend(figure.legend, legendOf(now, filling));
    figure.update(sourceOf(now, filling, context));
    mark(get(context.selection));
  }

  function mark(selected: Selected): void {
    if (shown) strip.mark(marksOf(shown.state, selected));
  }

  function destroy(): void {
    strip.destroy();
    figure.destroy();
  }

  return { render, mark, destroy };
}

function chooseSpan(context: ViewContext, from: number, to: number): void {
  const [low, high] = from < to ? [from, to] : [to, from];
  context.selection.choose(positionItem(from));
  context.selection.chooseSet(
    Array.from({ length: high - low + 1 }, (_, i) => positionItem(low + i)),
  );
}

const readsAnswer = ({ state, reader }: Shown) => reader === groupsOf(state).length - 1;

/** null before the matrix has any row, and where the run has none. */
export function fillingOf(shown: Shown): Filling | null {
  const { state, measure, reader } = shown;
  if (state.rows.size === 0) return null;
  return {
    scale: scaleOf(shown),
    value: (group) => effectOf(state, measure, reader, group),
    said: (value) =>
      measure === "answer" ? `${showSigned(value)} nats` : `${showNumber(value)} (1 − cosine)`,
    without: "masked",
    measured: measure === "answer" ? "removed" : undefined,
    reader,
  };
}

function headingOf(shown: Shown): (Node | string)[] {
  const { state, measure } = shown;
  const step = state.output?.steps[state.output.target_start];
  if (!state.groups || !step) return ["Reading the prompt…"];
  const logprob = state.groups.logprob;
  const answer = ["Answer ", quotedToken(state.groups.target_text)];
  const known = `: p ${showPercent(Math.exp(logprob))}, rank ${step.rank}. `;
  if (state.rows.size === 0) return [...answer, known];
  const reader = readsAnswer(shown)
    ? ["the position that predicts it"]
    : [quotedToken(groupsOf(state)[shown.reader]?.text ?? "")];
  const effect =
    measure === "answer" ? "change of log p of the answer" : "change of the reader's state";
  return [...answer, known, "Fill: ", effect, " when a token is cut from ", ...reader, "."];
}

function legendOf({ measure }: Shown, { scale }: Filling): Legend {
  const sign =
    measure === "answer"
      ? `${SUPPORT_WORDS.removed} ${AGAINST_WORDS}`
      : "Darker orange: the reader's final state changes more.";
  return {
    scale,
    unit: unitOf(measure),
    normalisation: "the whole matrix",
    notes: [sign, "Dotted: masked, or not measured yet. Underlined: the answer."],
  };
}

const SHEET_WIDTH = 760;

function sourceOf(shown: Shown, filling: Filling | null, context: ViewContext): FigureSource {
  const { state, reader } = shown;
  const title = `Information flow: effect of cutting each token from “${legible(nameOf(state, reader))}”`;
  return {
    table: () => rowTable(shown),
    data: () => ({
      answer: state.groups?.target_text,
      logprob: state.groups?.logprob,
      reader: groupsOf(state)[reader],
      row: state.rows.get(reader),
      groups: groupsOf(state),
    }),
    svg: () => {
      const sheet = createSheet(title, shown.theme, get(context.run));
      const body = sheet.body as Group;
      const size = drawStrip(body, sectionsOf(state, filling), SHEET_WIDTH, shown.theme);
      const key = filling ? drawKey(body, legendOf(shown, filling), size.height, 760) : 0;
      return sheet.finish(SHEET_WIDTH, size.height + key);
    },
  };
}
