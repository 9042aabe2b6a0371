// The text, a bar of entropy above each token, and the branch points.

import { counted } from "../../base/plural";
import { get } from "svelte/store";
import { sequential } from "../../pictures/colour";
import { button } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { spoken, visible } from "../../pictures/glyphs";
import { drawKey, renderLegend, type Legend } from "../../pictures/legend";
import type { Group } from "../../pictures/layer";
import { showNumber, showPercent } from "../../pictures/numbers";
import { indexColumn } from "../../pictures/ordinal";
import { createSheet } from "../../pictures/sheet";
import type { Table } from "../../pictures/table";
import { createTokenStrip, type StripSection, type StripToken } from "../../pictures/tokenStrip";
import { drawStrip } from "../../pictures/tokenStripSvg";
import { indexOf, positionItem } from "../../view/position";
import type { Item, Selected } from "../../view/selection";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { answerText } from "../decoding/answer";
import { askedText } from "../decoding/asked";
import { createChooser } from "../decoding/chooser";
import {
  choosePosition,
  OUTPUT,
  outputIndex,
  outputItem,
  type Panel,
  type Shown,
} from "../decoding/shown";
import type { Trace } from "../decoding/traces";
import { chooseBranchPoint } from "../decoding/view";
import { writtenOf, type Written } from "../decoding/written";

export function createText(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Text and entropy", "text", context);
  const chooser = createChooser(context);
  const go = (by: 1 | -1) => latest && chooseBranchPoint(context, latest, by);
  figure.controls.append(
    chooser.node,
    button("◀ branch point", () => go(-1), { class: "chip", title: "Previous branch point (F)" }),
    button("branch point ▶", () => go(1), { class: "chip", title: "Next branch point (f)" }),
  );
  const line = figure.body.appendChild(document.createElement("p"));
  line.className = "sharpness";
  let latest: Shown | null = null;
  const strip = createTokenStrip(figure.body, "Tokens", {
    hover: (key) => context.selection.hover(key === null ? null : itemOf(key)),
    choose: (key) => key >= 0 && choosePosition(context, key),
    extend: (_, to) => to >= 0 && choosePosition(context, to),
    others: { marks: context.marks, kind: OUTPUT },
    keys: context.keys,
  });

  const draw = whenChanged<Shown>(
    ({ trace, traces, theme }) => [trace, traces.prompt, theme],
    (shown) => {
      const { trace } = shown;
      line.textContent = trace ? summary(trace) : "";
      strip.render(sectionsOf(shown));
      renderLegend(figure.legend, legendOf(shown));
      figure.update(sourceOf(shown, context));
    },
  );

  return {
    render(shown) {
      latest = shown;
      if (!shown.trace) return;
      chooser.render(shown);
      draw(shown);
      mark(get(context.selection));
    },
    mark,
    destroy() {
      strip.destroy();
      figure.destroy();
    },
  };

  function mark({ hover, primary }: Selected): void {
    const hovered = keyOf(hover);
    strip.mark({
      hover: new Set(hovered === null ? [] : [hovered]),
      primary: keyOf(primary),
      pinned: null,
      set: new Set(),
    });
  }
}

/** Keys of the strip: output tokens from 0, those of the prompt from -1 down. */
const itemOf = (key: number) => (key < 0 ? positionItem(-1 - key) : outputItem(key));

function keyOf(item: Item | null): number | null {
  const position = indexOf(item);
  return position === null ? outputIndex(item) : -1 - position;
}

function summary(trace: Trace): string {
  const written = writtenOf(trace);
  const branchPoints = written.filter((one) => one.place === 0 && one.trials > 1);
  const trials = branchPoints.reduce((sum, one) => sum + one.trials, 0);
  const parts = [counted(written.length, "token")];
  if (branchPoints.length)
    parts.push(`${counted(branchPoints.length, "branch point")}, ${counted(trials, "trial")}`);
  if (trace.end) parts.push(`ended by ${STOPS[trace.end.stop]}`);
  const answer = trace.end && answerText(trace.end);
  if (answer) parts.push(answer);
  if (trace.start.forced.length) parts.push(`${trace.start.forced.length} forced by you`);
  const asked = askedText(trace);
  if (asked) parts.push(asked);
  return parts.join(" · ");
}

export const STOPS = {
  eos: "end of text",
  stop_string: "a stop string",
  length: "the length limit",
  filled: "a full canvas",
} as const;

const limitFor = (trace: Trace) =>
  Math.max(0.1, ...writtenOf(trace).map((one) => one.entropy ?? 0));

export function sectionsOf({ traces, trace, theme }: Shown): StripSection[] {
  if (!trace) return [];
  const scale = sequential(limitFor(trace), theme);
  const written = writtenOf(trace);
  const words = wordsOf(written.map((one) => one.text));
  const output = written.map((one, i): StripToken => {
    const entropy = one.entropy ?? 0;
    const ribbon = { share: entropy / scale.limit, colour: scale.colour(entropy) };
    return {
      ...plain(one.position, one.text, words[i] ?? i),
      state: one.entropy === null ? "outside" : "scored",
      ribbon,
      badge: one.place === 0 && one.trials > 1 ? `×${one.trials}` : "",
      joined: one.span > 1,
      weight: entropy,
      label: labelOf(one),
    };
  });
  const promptWords = wordsOf(traces.prompt.texts);
  const prompt = traces.prompt.texts.map((text, i) => plain(-1 - i, text, promptWords[i] ?? i));
  const sections = [
    { label: "Prompt", tokens: prompt },
    { label: "Output", tokens: output },
  ];
  return sections.filter(({ tokens }) => tokens.length > 0);
}

function plain(key: number, text: string, word: number): StripToken {
  const look = { fill: null, ink: null, band: null, target: false, state: "scored" as const };
  return { key, text, piece: "∅", word, label: spoken(text), ...look };
}

/** A space or line end begins a new word. */
export function wordsOf(texts: readonly string[]): number[] {
  let word = 0;
  return texts.map((text, i) => {
    if (i > 0 && (/^\s/.test(text) || texts[i - 1]?.endsWith("\n"))) word += 1;
    return word;
  });
}

function labelOf(one: Written): string {
  const parts = [spoken(one.text)];
  if (one.entropy !== null) parts.push(`entropy ${showNumber(one.entropy)} nats`);
  if (one.logprob !== null) parts.push(`p ${showPercent(Math.exp(one.logprob))}`);
  if (one.place === 0 && one.trials > 1) parts.push(`branch point with ${one.trials} trials`);
  else if (one.span > 1) parts.push(`token ${one.place + 1} of ${one.span} of a trial`);
  return parts.join(", ");
}

function legendOf({ trace, theme }: Shown): Legend {
  return {
    scale: sequential(trace ? limitFor(trace) : 1, theme),
    unit: "nats",
    normalisation: "the trace shown",
    notes: [
      "Height and fill of the bar above a token: entropy of the distribution it was sampled from. " +
        "×n: branch point with n trials. Line below: tokens appended by one trial.",
    ],
  };
}

const SHEET_WIDTH = 760;

function sourceOf(shown: Shown, context: ViewContext): FigureSource {
  return {
    table: () => tableOf(shown),
    data: () => ({
      decoder: shown.trace?.start.label,
      prompt: shown.traces.prompt,
      output: shown.trace && writtenOf(shown.trace),
    }),
    svg: () => {
      const title = `${shown.trace?.start.label ?? ""}: text and entropy`;
      const sheet = createSheet(title, shown.theme, get(context.run));
      const size = drawStrip(sheet.body as Group, sectionsOf(shown), SHEET_WIDTH, shown.theme);
      const legend = legendOf(shown);
      const key = drawKey(sheet.body, legend, size.height, SHEET_WIDTH);
      return sheet.finish(SHEET_WIDTH, size.height + key);
    },
  };
}

function tableOf({ trace }: Shown): Table {
  const written = trace ? writtenOf(trace) : [];
  return {
    caption: `Output of ${trace?.start.label ?? "the decoder"}`,
    columns: [
      indexColumn("position"),
      "token",
      "id",
      "entropy",
      "ln p",
      "trials",
      indexColumn("place in trial"),
      indexColumn("step"),
    ],
    rows: written.map((one) => [
      one.position,
      visible(one.text),
      one.id,
      one.entropy,
      one.logprob,
      one.trials,
      one.span > 1 ? one.place + 1 : null,
      one.step,
    ]),
  };
}
