// Other methods' maps of the same target, with how far they agree.

import { get } from "svelte/store";
import { inkOn, limitOf, sequential } from "../../pictures/colour";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { spoken, visible } from "../../pictures/glyphs";
import type { Group } from "../../pictures/layer";
import { showNumber, showPercent } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import { AGAINST_WORDS, SUPPORT_WORDS, supportScale, worksAgainst } from "../../pictures/support";
import { createTokenStrip, type StripSection, type TokenStrip } from "../../pictures/tokenStrip";
import { drawStrip } from "../../pictures/tokenStripSvg";
import { indexOf, POSITION, positionItem } from "../../view/position";
import type { Selected } from "../../view/selection";
import type { ViewContext } from "../../view/view";
import type { Baseline } from "../../gen/reagent";
import { choosePosition, chooseSpan } from "./choose";
import { positionState, rowName, targetPositions } from "./maps";
import { whenChanged } from "../../view/panel";
import type { Panel, Shown } from "./shown";
import type { BaselineMap } from "./state";
import { marksOf } from "./strip";
import { baselineTable } from "./tables";

interface Pane {
  heading: HTMLElement;
  strip: TokenStrip;
}

export function createBaselines(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Baselines", "baselines", context);
  const panes = new Map<string, Pane>();
  let shown: Shown | null = null;

  function paneOf({ event }: BaselineMap): Pane {
    const known = panes.get(event.name);
    if (known) return known;
    const node = figure.body.appendChild(document.createElement("section"));
    node.className = "baseline";
    const heading = node.appendChild(document.createElement("h3"));
    const strip = createTokenStrip(node, `Tokens by ${event.label}`, {
      hover: (key) => context.selection.hover(key === null ? null : positionItem(key)),
      choose: (key) => shown && choosePosition(context, shown.state, key),
      extend: (from, to) => shown && chooseSpan(context, shown.state, from, to),
      others: { marks: context.marks, kind: POSITION },
    });
    const pane = { heading, strip };
    panes.set(event.name, pane);
    return pane;
  }

  const ingredients = ({ state, theme }: Shown) => [
    state.baselines,
    state.tokens,
    state.output,
    state.maps !== null,
    theme,
  ];
  const draw = whenChanged(ingredients, (now) => {
    if (now.state.baselines.size === 0) return;
    for (const baseline of now.state.baselines.values()) {
      const pane = paneOf(baseline);
      pane.heading.textContent = headingOf(baseline);
      pane.strip.render(sectionsOf(now, baseline));
    }
    figure.legend.textContent = legendText(now);
    figure.update(sourceOf(now, context));
  });

  function render(now: Shown): void {
    shown = now;
    draw(now);
    mark(get(context.selection));
  }

  function mark(selected: Selected): void {
    if (!shown) return;
    // Drawn token by token whatever the granularity of the map.
    const hovered = indexOf(selected.hover);
    const marks = {
      ...marksOf(shown, selected),
      hover: new Set(hovered === null ? [] : [hovered]),
    };
    for (const pane of panes.values()) pane.strip.mark(marks);
  }

  return { render, mark, destroy: figure.destroy };
}

function headingOf({ event }: BaselineMap): string {
  const agreement =
    event.spearman === null
      ? "rank correlation undefined"
      : `Spearman ${showNumber(event.spearman)}`;
  return (
    `${event.label}: ${agreement}, ${showPercent(event.top_overlap)} overlap of the top tokens` +
    completenessText(event)
  );
}

/** Completeness: how far the scores' sum is from the difference that it should equal; "" if unknown. */
export function completenessText({ completeness, unit }: Baseline): string {
  if (!completeness) return "";
  const { steps, difference, remainder, reached } = completeness;
  const sum =
    `; ${steps.toLocaleString("en")} steps, sum − (f(x) − f(baseline)) = ` +
    `${showNumber(remainder)} of ${showNumber(difference)} ${unit}`;
  return reached
    ? sum
    : `${sum}: not within 1 % at the most steps allowed, so scores are approximate`;
}

function legendText({ state }: Shown): string {
  const sources = new Set([...state.baselines.values()].map(({ event }) => event.source));
  return (
    `All maps explain the target of the run, ${visible(rowName(state, 0))}. Fill: each map's own ` +
    `limits, nothing clipped. ${SUPPORT_WORDS.present} ${AGAINST_WORDS} Hatched: no score. ` +
    `Computed by ${[...sources].join(", ")}.`
  );
}

function sectionsOf({ state, theme }: Shown, { event, scores }: BaselineMap): StripSection[] {
  const states = state.tokens.map((_, position) => positionState(state, 0, position));
  const values = state.tokens.map((_, position) => scores[position] ?? 0);
  const limit = limitOf(values.filter((_, i) => states[i] === "scored"));
  const signed = values.some((value) => value < 0);
  const scale = signed ? supportScale(limit, theme, "present") : sequential(limit, theme);
  const targets = new Set(targetPositions(state, 0));
  const read = state.tokens.slice(
    0,
    Math.max(state.promptLength, ...[...targets].map((t) => t + 1)),
  );
  const tokens = read.map((token, position) => {
    const kind = states[position] ?? "outside";
    const value = values[position] ?? 0;
    const fill = kind === "scored" ? scale.colour(value) : null;
    const score = kind === "scored" ? `${showNumber(value)} ${event.unit}` : "no score";
    return {
      key: position,
      text: token.text,
      piece: token.piece,
      word: token.word,
      fill,
      ink: fill && inkOn(fill),
      state: kind,
      band: null,
      target: targets.has(position),
      against: fill !== null && worksAgainst(value, scale, "present"),
      weight: fill === null ? 0 : Math.abs(value),
      label: `${spoken(token.text)}, ${score}`,
    };
  });
  return [{ label: event.label, tokens }];
}

const SHEET_WIDTH = 760;

function sourceOf(shown: Shown, context: ViewContext): FigureSource {
  const all = [...shown.state.baselines.values()];
  return {
    table: () => baselineTable(shown.state),
    data: () => all.map(({ event, scores }) => ({ ...event, scores: Array.from(scores) })),
    svg: () => {
      const sheet = createSheet("ReAGent: baselines", shown.theme, get(context.run));
      const sections = all.flatMap((baseline) =>
        sectionsOf(shown, baseline).map((one) => ({ ...one, label: headingOf(baseline) })),
      );
      const size = drawStrip(sheet.body as Group, sections, SHEET_WIDTH, shown.theme);
      return sheet.finish(size.width, size.height);
    },
  };
}
