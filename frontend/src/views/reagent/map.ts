// The main picture: prompt and continuation as text, heat for the selected output token.

import { get } from "svelte/store";
import type { Replacement, Scores } from "../../gen/reagent";
import { button, quotedToken, segmented } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { drawKey, renderLegend, type Legend } from "../../pictures/legend";
import type { Group } from "../../pictures/layer";
import { showNumber, showPercent } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import { AGAINST_WORDS, SUPPORT_WORDS } from "../../pictures/support";
import { createTokenStrip, type TokenStrip } from "../../pictures/tokenStrip";
import { drawStrip } from "../../pictures/tokenStripSvg";
import { indexOf, POSITION, positionItem } from "../../view/position";
import type { Selected } from "../../view/selection";
import type { Keys, ViewContext } from "../../view/view";
import { choosePosition, chooseSpan, outputAt } from "./choose";
import { pin, compare } from "./keys";
import { GRANULARITIES, PART, rowName, targetPositions, textOf, unitsOf } from "./maps";
import { FAINT_WORDS, scaleOf, signed, unitName, type Panel, type Shown } from "./shown";
import { marksOf, sectionsOf } from "./strip";
import { mapTable } from "./tables";

export function createMap(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Attribution", "map", context);
  const granularity = segmented(context, "Granularity", GRANULARITIES, (value) =>
    context.state.set("granularity", value === "token" ? null : value),
  );
  const runTarget = button("Target of this run", () => context.state.set("target", null), {
    class: "chip",
  });
  const pinButton = button("Pin", () => shown && pin(context, shown.state), { class: "chip" });
  const compareButton = button("Compare", () => shown && compare(context, shown.state), {
    class: "chip",
  });
  figure.controls.append(granularity.node);
  const chips = figure.body.appendChild(document.createElement("div"));
  chips.className = "chips";
  chips.append(runTarget, pinButton, compareButton);

  const strips = figure.body.appendChild(document.createElement("div"));
  strips.className = "strips";
  const main = createPane(strips, "Tokens", context, () => shown, context.keys);
  const reference = createPane(strips, "Tokens for the pinned output", context, () => shown);
  let shown: Shown | null = null;

  function render(now: Shown): void {
    shown = now;
    if (now.state.tokens.length === 0) return;
    granularity.choose(now.granularity);
    runTarget.setAttribute("aria-pressed", String(now.row === 0));
    const pinned = referenceOf(now, context);
    compareButton.setAttribute("aria-pressed", String(pinned !== null));
    const both = pinned ? withSharedScale(now, pinned) : null;
    main.render(both?.[0] ?? now);
    reference.node.hidden = both === null;
    if (both) reference.render(both[1]);
    strips.classList.toggle("side-by-side", both !== null);
    if (now.state.maps) renderLegend(figure.legend, legendOf(both?.[0] ?? now));
    figure.update(sourceOf(now, context));
    mark(get(context.selection));
  }

  function mark(selected: Selected): void {
    pinButton.setAttribute("aria-pressed", String(selected.pinned !== null));
    if (!shown) return;
    const marks = marksOf(shown, selected);
    main.strip.mark(marks);
    if (!reference.node.hidden) reference.strip.mark(marks);
  }

  function destroy(): void {
    for (const { strip } of [main, reference]) strip.destroy();
    figure.destroy();
  }

  return { render, mark, destroy };
}

interface Pane {
  node: HTMLElement;
  strip: TokenStrip;
  render(shown: Shown): void;
}

/** A strip with the line that says which output token it explains. */
function createPane(
  root: HTMLElement,
  label: string,
  context: ViewContext,
  latest: () => Shown | null,
  keys?: Keys,
): Pane {
  const node = root.appendChild(document.createElement("div"));
  node.className = "pane";
  const heading = node.appendChild(document.createElement("p"));
  heading.className = "explaining";
  const progress = node.appendChild(document.createElement("p"));
  progress.className = "sharpness";
  const strip = createTokenStrip(node, label, {
    hover: (key) => context.selection.hover(key === null ? null : positionItem(key)),
    choose: (key) => {
      const shown = latest();
      if (shown) choosePosition(context, shown.state, key);
    },
    extend: (from, to) => {
      const shown = latest();
      if (shown) chooseSpan(context, shown.state, from, to);
    },
    others: { marks: context.marks, kind: POSITION },
    keys,
  });
  return {
    node,
    strip,
    render(shown) {
      heading.replaceChildren(...explaining(shown));
      progress.textContent = sharpness(shown, topOf(context));
      strip.render(sectionsOf(shown));
    },
  };
}

function explaining({ state, row }: Shown): (Node | string)[] {
  if (!state.output) return ["Reading the prompt…"];
  const positions = targetPositions(state, row);
  const step = state.output.steps.find((one) => one.position === positions[0]);
  const text = textOf(state, positions);
  const parts: (Node | string)[] = ["Importance of each input token for ", quotedToken(text)];
  const { contrast } = state.output;
  if (row === 0 && contrast) parts.push(" rather than ", quotedToken(contrast.text));
  if (positions.length === 1 && step) {
    parts.push(`, p ${showPercent(Math.exp(step.logprob))}, rank ${step.rank}`);
  }
  return parts;
}

/** Size of the top set whose stability is reported. */
function topOf(context: ViewContext): number {
  const { params, defaults } = get(context.run);
  return Number(params.top_n ?? defaults.top_n);
}

const FORMS: Record<Scores["estimator"], string> = {
  least_squares: "least squares",
  centred: "centred",
  paper: "as in the paper",
};

/** "384 / 512 probes · top-5 stable since probe 96 · separated". */
function sharpness({ state, row }: Shown, top: number): string {
  const event = state.maps?.event;
  if (!event) return state.tokens.length ? "Waiting for the first probes" : "";
  const counted = event.estimator === "paper" ? "steps" : "probes";
  const since = event.stable_since[row];
  const parts = [
    `${FORMS[event.estimator]}, ${event.measure.replaceAll("_", " ")}`,
    `${event.probes.toLocaleString("en")} / ${event.budget.toLocaleString("en")} ${counted}`,
  ];
  if (since !== undefined) parts.push(`top-${top} stable since ${counted.slice(0, -1)} ${since}`);
  if (event.separated[row]) parts.push("separated from the rest (95 %)");
  parts.push(...bandsOf(event, row));
  if (event.final) parts.push("final");
  return parts.join(" · ");
}

/** Width of the 95 % bands; runs of earlier versions do not store it. */
function bandsOf({ single_factor, joint_factor }: Scores, row: number): string[] {
  const joint = joint_factor?.[row];
  if (!single_factor || joint === undefined) return [];
  const [one, all] = [single_factor.toFixed(2), joint.toFixed(2)];
  return [
    `95 % bands: ± ${one} standard errors for one token, ± ${all} for all tokens simultaneously`,
  ];
}

/** What is shown for the pinned output token, while comparing. */
function referenceOf(shown: Shown, context: ViewContext): Shown | null {
  const pinned = indexOf(get(context.selection).pinned);
  const output = pinned === null ? null : outputAt(shown.state, pinned);
  if (context.state.get("compare") !== "1" || output === null) return null;
  const units = unitsOf(shown.state, output + 1, shown.granularity);
  return { ...shown, row: output + 1, units };
}

/** Side by side, equal colours must mean equal scores. */
function withSharedScale(primary: Shown, pinned: Shown): [Shown, Shown] {
  const scale = scaleOf(primary.state, [...primary.units, ...pinned.units], primary.theme);
  return [
    { ...primary, scale },
    { ...pinned, scale },
  ];
}

export function legendOf({ state, scale, granularity, units }: Shown): Legend {
  const sign = signed(state)
    ? `${SUPPORT_WORDS.present} ${AGAINST_WORDS}`
    : "Darker orange: larger share.";
  return {
    scale,
    unit: unitName(state),
    normalisation: "the tokens shown",
    notes: [
      sign,
      `Bar below each ${granularity}: mean ± 1 standard error, on the same scale.`,
      ...(signed(state) ? [FAINT_WORDS] : []),
      "Hatched: protected, no score. Dotted: comes after this output token.",
      ...(units.some(({ partial }) => partial)
        ? [`The ${granularity} of the target: its ${PART} is scored.`]
        : []),
      ...(state.replacement ? [replacedBy(state.replacement)] : []),
    ],
  };
}

function replacedBy({ label, fallbacks }: Replacement): string {
  const lack = fallbacks ? ` (any token at ${fallbacks} positions)` : "";
  return `Replacement tokens: ${label}${lack}.`;
}

const SHEET_WIDTH = 760;

function sourceOf(shown: Shown, context: ViewContext): FigureSource {
  const title = `ReAGent: input tokens that “${rowName(shown.state, shown.row)}” depends on`;
  return {
    table: () => mapTable(shown),
    data: () => ({
      target: rowName(shown.state, shown.row),
      granularity: shown.granularity,
      unit: unitName(shown.state),
      measure: shown.state.maps?.event.measure,
      units: shown.units,
    }),
    svg: () => {
      const sheet = createSheet(title, shown.theme, get(context.run));
      const size = drawStrip(sheet.body as Group, sectionsOf(shown), SHEET_WIDTH, shown.theme);
      const legend = legendOf(shown);
      const key = drawKey(sheet.body, legend, size.height, SHEET_WIDTH);
      return sheet.finish(SHEET_WIDTH, size.height + key);
    },
  };
}

export const shownNumber = (mean: number, error: number) =>
  `${showNumber(mean)} ± ${showNumber(error)}`;
