// The effect of the run's cuts: the output with and without them, and random cuts of the same size.

import { select } from "d3-selection";
import { get } from "svelte/store";
import type { Edit } from "../../../gen/information_flow";
import { inkOn, limitOf, sequential } from "../../../pictures/colour";
import { element } from "../../../pictures/dom";
import { createFigure, type FigureSource } from "../../../pictures/figure";
import { legible, spoken } from "../../../pictures/glyphs";
import type { Group } from "../../../pictures/layer";
import { showPercent, showSigned } from "../../../pictures/numbers";
import { createSheet } from "../../../pictures/sheet";
import { SUPPORT_WORDS, supportScale } from "../../../pictures/support";
import { createTokenStrip, type StripSection, type StripToken } from "../../../pictures/tokenStrip";
import { drawStrip } from "../../../pictures/tokenStripSvg";
import { indexOf, positionItem } from "../../../view/position";
import type { Selected } from "../../../view/selection";
import type { Theme } from "../../../base/theme";
import type { ViewContext } from "../../../view/view";
import { drawDraws, sentenceOf } from "./draws";
import { targetPositions } from "./sections";
import { type Panel, type Shown } from "./shown";
import type { State } from "./state";
import { editTable } from "./tables";

export function createOutcome(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Effect of your cuts", "cut", context);
  const heading = figure.body.appendChild(element("p", { class: "explaining" }));
  let shown: Shown | null = null;
  const position = (key: number) => shown?.state.edit?.output[key % STRIDE]?.position;
  const item = (key: number | null) => {
    const at = key === null ? undefined : position(key);
    return at === undefined ? null : positionItem(at);
  };
  const strip = createTokenStrip(figure.body, "Output with and without the cuts", {
    hover: (key) => context.selection.hover(item(key)),
    choose: (key) => context.selection.choose(item(key)),
    extend: (_, to) => context.selection.choose(item(to)),
  });
  const holder = figure.body.appendChild(element("div", { class: "scroll" }));
  const svg = select(holder).append("svg").attr("role", "img");
  const group = svg.append("g") as Group;

  function render(now: Shown): void {
    shown = now;
    const { edit } = now.state;
    if (!edit) return figure.hide();
    figure.update(sourceOf(now.state, edit, now.theme, context));
    heading.textContent = headingOf(edit);
    strip.render(sectionsOf(now.state, edit, now.theme));
    const draws = { value: edit.delta_logprob, control: edit.control, theme: now.theme };
    const size = drawDraws(group, draws, Math.max(280, Math.min(620, holder.clientWidth || 480)));
    svg.attr("width", size.width).attr("height", size.height).attr("aria-label", sentenceOf(draws));
    figure.legend.textContent = legendText(edit);
    mark(get(context.selection));
  }

  function mark({ hover, primary }: Selected): void {
    const output = shown?.state.edit?.output ?? [];
    const at = (wanted: number | null) =>
      output.findIndex((token) => wanted !== null && token.position === wanted);
    const [over, chosen] = [at(indexOf(hover)), at(indexOf(primary))];
    strip.mark({
      hover: new Set(over < 0 ? [] : [over, over + STRIDE, over + 2 * STRIDE]),
      primary: chosen < 0 ? null : chosen,
      pinned: null,
      set: new Set(),
    });
  }

  return { render, mark, destroy: figure.destroy };
}

/** Between the keys of one section and the next; an output is shorter. */
const STRIDE = 1000;

function headingOf({ delta_logprob, output, continuation }: Edit): string {
  const text = joined(continuation);
  const written = text === joined(output) ? "the same text" : `“${legible(text.trim())}”`;
  return (
    `The cuts change log p of the answer by ${showSigned(delta_logprob)} nats; ` +
    `the model then generates ${written}.`
  );
}

const joined = (tokens: readonly { text: string }[]) => tokens.map(({ text }) => text).join("");

function sectionsOf(state: State, edit: Edit, theme: Theme): StripSection[] {
  const changes = edit.output.map((token) => token.cut_logprob - token.logprob);
  const likely = sequential(1, theme);
  const change = supportScale(limitOf(changes), theme, "removed");
  const targets = targetPositions(state);
  const token = (key: number, text: string, fill: string, said: string): StripToken => ({
    key,
    text,
    piece: "",
    word: key,
    fill,
    ink: inkOn(fill),
    state: "scored",
    band: null,
    target: key < 2 * STRIDE && targets.has(edit.output[key % STRIDE]?.position ?? -1),
    label: `${spoken(text)}, ${said}`,
  });
  const percent = (logprob: number) => `probability ${showPercent(Math.exp(logprob))}`;
  const given = edit.output.map((one, at) =>
    token(at, one.text, likely.colour(Math.exp(one.logprob)), percent(one.logprob)),
  );
  const cut = edit.output.map((one, at) => {
    const said = `${showSigned(changes[at] ?? 0)} nats, ${percent(one.cut_logprob)}`;
    return token(at + STRIDE, one.text, change.colour(changes[at] ?? 0), said);
  });
  const written = edit.continuation.map((one, at) => {
    const fill = likely.colour(Math.exp(one.logprob));
    return token(at + 2 * STRIDE, one.text, fill, percent(one.logprob));
  });
  return [
    { label: "Output without cuts, fill: probability", tokens: given },
    { label: "Same output with the cuts, fill: change of log-probability (nats)", tokens: cut },
    { label: "Output generated with the cuts, fill: probability", tokens: written },
  ];
}

function legendText({ count, control, first }: Edit): string {
  const probable = first
    .map((one) => `${spoken(one.text)} ${showPercent(Math.exp(one.logprob))}`)
    .join(", ");
  return (
    `${count.toLocaleString("en")} edges cut (reader, source, layer and head). Circles: ` +
    `${control.draws.length} draws of as many random edges in the same layers and heads; bar: mean ` +
    `± 1 standard deviation. Most probable first tokens with the cuts: ${probable}. ${SUPPORT_WORDS.removed}`
  );
}

const SHEET_WIDTH = 760;

function sourceOf(state: State, edit: Edit, theme: Theme, context: ViewContext): FigureSource {
  return {
    table: () => editTable(state),
    data: () => edit,
    svg: () => {
      const sheet = createSheet("Information flow: edges cut", theme, get(context.run));
      const body = sheet.body as Group;
      const strips = drawStrip(body, sectionsOf(state, edit, theme), SHEET_WIDTH, theme);
      const group = body.append("g").attr("transform", `translate(0,${strips.height})`) as Group;
      const draws = { value: edit.delta_logprob, control: edit.control, theme };
      const size = drawDraws(group, draws, 620);
      return sheet.finish(SHEET_WIDTH, strips.height + size.height);
    },
  };
}
