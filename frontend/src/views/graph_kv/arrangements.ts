// The same segments in every arrangement: the answer's probability, what is written, the area.

import { get } from "svelte/store";
import { createBars, drawBars, type Bar, type BarChart } from "../../pictures/bars";
import { button, element, quotedToken, tokenText } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { visible } from "../../pictures/glyphs";
import type { Group } from "../../pictures/layer";
import { showNumber, showPercent } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { publishedNote } from "./published";
import { MODES, modeName, type Panel, type Shown } from "./shown";
import type { Mode } from "./state";
import { arrangementTable } from "./tables";

const ONE = [{ key: "value", label: "", slot: 0 }] as const;

export function createArrangements(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Arrangements", "arrangements", context);
  const asked = figure.body.appendChild(element("p", { class: "explaining" }));
  const charts = figure.body.appendChild(element("div", { class: "charts" }));
  const answers = createBars(charts.appendChild(element("div", {})), context);
  const areas = createBars(charts.appendChild(element("div", {})), context);
  const written = figure.body.appendChild(element("dl", { class: "written-by" }));
  const first = figure.body.appendChild(element("div", {}));
  figure.body.append(publishedNote());
  figure.legend.textContent =
    "Bar length: probability of the answer, the product over its tokens. Bold: the arrangement " +
    "analysed in this run. Attention area: token pairs between and within segments, relative to the " +
    "sequential arrangement; full encodes every segment twice and so exceeds 1.";

  const draw = whenChanged<Shown>(
    ({ state, theme }) => [
      state.arrangements,
      state.layouts,
      state.answer,
      theme,
      charts.clientWidth,
    ],
    (shown) => {
      const { state } = shown;
      if (state.layouts.size === 0 || !state.answer) return;
      figure.update(sourceOf(shown, context));
      asked.replaceChildren(...askedParts(shown));
      answers.render(answerChart(shown));
      areas.render(areaChart(shown));
      written.replaceChildren(...writtenParts(shown));
      first.replaceChildren(...firstParts(shown, context));
    },
  );
  return { render: draw, destroy: figure.destroy };
}

function askedParts({ state: { answer, arrangements } }: Shown): (Node | string)[] {
  if (!answer) return [];
  const by = answer.written_by;
  const parts: (Node | string)[] = ["Answer ", quotedToken(answer.text)];
  parts.push(by ? `, as ${modeName(by)} writes it` : ", as given");
  return isUnlikely(arrangements.values()) ? [...parts, NOTHING] : parts;
}

const LEAST_P = 0.001; // of a token, in any arrangement
const NOTHING =
  ". The probability of this answer is near 0 in every arrangement: there is nothing to explain.";

/** By its least probable token: many probable ones make a long answer improbable as well. */
export function isUnlikely(arrangements: Iterable<{ token_logprobs: number[] }>): boolean {
  const all = [...arrangements];
  const least = (logprobs: number[]) => Math.exp(Math.min(...logprobs));
  return all.length > 0 && all.every((one) => least(one.token_logprobs) < LEAST_P);
}

const chosenMode = ({ layout }: Shown): Mode | undefined => layout?.event.mode;

function answerChart(shown: Shown): BarChart {
  const { arrangements } = shown.state;
  const bars = MODES.flatMap((mode): Bar[] => {
    const one = arrangements.get(mode);
    if (!one) return [];
    const p = Math.exp(one.logprob);
    return [barOf(shown, mode, p, `${showPercent(p)} (log p ${showNumber(one.logprob)})`)];
  });
  const title = "Probability of the answer, 0 to 100 %";
  return { title, stem: "answer-bars", categories: ONE, bars, most: 1, theme: shown.theme };
}

function areaChart(shown: Shown): BarChart {
  const bars = MODES.flatMap((mode): Bar[] => {
    const area = shown.state.layouts.get(mode)?.event.relative_area;
    if (area === undefined) return [];
    const more = area > 1 ? " (more)" : "";
    return [barOf(shown, mode, area, `${showNumber(area)}${more}`)];
  });
  const title = "Attention area, relative to sequential";
  return { title, stem: "area-bars", categories: ONE, bars, theme: shown.theme };
}

const barOf = (shown: Shown, mode: Mode, value: number, note: string): Bar => ({
  key: mode,
  label: modeName(mode),
  parts: [value],
  note,
  strong: mode === chosenMode(shown),
});

/** What each arrangement writes; ✓ where that begins with the given answer. */
function writtenParts({ state }: Shown): HTMLElement[] {
  return MODES.flatMap((mode) => {
    const one = state.arrangements.get(mode);
    if (!one) return [];
    const sign = one.right === null ? "" : one.right ? "✓ correct" : "✗ incorrect";
    const word = element("span", { class: `badge ${one.right ? "good" : ""}` }, sign);
    const text = element("dd", {}, tokenText(one.text), " ", sign && word);
    return [element("dt", {}, modeName(mode)), text];
  });
}

/** The most probable first tokens of the answer, each of which can be taken for it. */
function firstParts(shown: Shown, { rerun }: ViewContext): HTMLElement[] {
  const mode = chosenMode(shown);
  const one = mode && shown.state.arrangements.get(mode);
  if (!one || one.alternatives.length === 0) return [];
  const items = one.alternatives.map(({ id, text, logprob }) => {
    const share = element("span", { class: "number" }, showPercent(Math.exp(logprob)));
    const use = () => rerun?.({ answer: [id] });
    const hint = `Start a new run with this token (#${id}) as the answer`;
    const action = rerun && button("Use as answer", use, { title: hint });
    const name = element("span", { class: "muted" }, `#${id}`);
    return element("li", {}, tokenText(text), name, share, action ?? null);
  });
  return [
    element("h3", {}, `Most probable first tokens of the answer (${modeName(mode)})`),
    element("ol", { class: "alternatives first-tokens" }, ...items),
  ];
}

const SHEET_WIDTH = 560;

function sourceOf(shown: Shown, context: ViewContext): FigureSource {
  return {
    table: () => arrangementTable(shown),
    data: () => ({
      answer: shown.state.answer,
      arrangements: [...shown.state.arrangements.values()],
      relative_area: Object.fromEntries(
        [...shown.state.layouts].map(([mode, { event }]) => [mode, event.relative_area]),
      ),
    }),
    svg: () => {
      const title = `Arrangements: answer “${visible(shown.state.answer?.text ?? "")}”`;
      const sheet = createSheet(title, shown.theme, get(context.run));
      const first = sheet.body.append("g") as Group;
      const upper = drawBars(first, answerChart(shown), SHEET_WIDTH);
      const second = sheet.body.append("g").attr("transform", `translate(0,${upper.height + 12})`);
      const lower = drawBars(second as Group, areaChart(shown), SHEET_WIDTH);
      return sheet.finish(SHEET_WIDTH, upper.height + 12 + lower.height);
    },
  };
}
