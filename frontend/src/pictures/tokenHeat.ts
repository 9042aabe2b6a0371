// A text whose tokens are filled by one number each: strip, legend, table and SVG in one figure.

import { get } from "svelte/store";
import type { Panel } from "../view/panel";
import { markedPositions, POSITION, positionItem } from "../view/position";
import type { Selected } from "../view/selection";
import type { ViewContext } from "../view/view";
import { diverging, inkOn, limitOf, sequential, type ColourScale } from "./colour";
import { createFigure, type FigureSource } from "./figure";
import { spoken } from "./glyphs";
import { drawKey, renderLegend, type Legend } from "./legend";
import { showNumber } from "./numbers";
import { fromOne } from "./ordinal";
import { createSheet } from "./sheet";
import { createTokenStrip, type StripSection, type StripToken } from "./tokenStrip";
import { drawStrip } from "./tokenStripSvg";

export interface HeatToken {
  text: string;
  /** Shown, muted, where the text is empty. */
  piece?: string;
  /** Tokens of one word stay on one line. */
  word?: number;
  /** null: it has no value. */
  value: number | null;
}

export interface HeatFacts {
  title: string;
  /** Names the figure in files and in the address. */
  stem: string;
  /** What the number is, as the head of its column: "Entropy". */
  value: string;
  unit: string;
  /** Sentences on what the fill does not say. */
  notes?: string[];
}

const EXPORT_WIDTH = 720;

export function createTokenHeat(
  root: HTMLElement,
  context: ViewContext,
  facts: HeatFacts,
): Panel<readonly HeatToken[]> {
  const figure = createFigure(root, facts.title, facts.stem, context);
  const strip = createTokenStrip(figure.body, facts.title, {
    hover: (key) => context.selection.hover(key === null ? null : positionItem(key)),
    choose: (key) => context.selection.choose(positionItem(key)),
    extend: (from, to) => context.selection.chooseSet(span(from, to)),
    others: { marks: context.marks, kind: POSITION },
    keys: context.keys,
  });

  function render(tokens: readonly HeatToken[]): void {
    if (tokens.length === 0) return figure.hide();
    const scale = scaleOf(tokens, context);
    strip.render(sectionsOf(tokens, scale));
    renderLegend(figure.legend, legendOf(scale, facts));
    figure.update(sourceOf(tokens, scale, facts, context));
    mark(get(context.selection));
  }

  const mark = (selected: Selected) => strip.mark(markedPositions(selected));

  function destroy(): void {
    strip.destroy();
    figure.destroy();
  }

  return { render, mark, destroy };
}

const span = (from: number, to: number) =>
  Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => positionItem(Math.min(from, to) + i));

/** Numbers of both signs share a symmetric scale; else the fill starts at zero. */
function scaleOf(tokens: readonly HeatToken[], context: ViewContext): ColourScale {
  const values = tokens.flatMap(({ value }) => value ?? []);
  const signed = values.some((value) => value < 0);
  return (signed ? diverging : sequential)(limitOf(values), get(context.theme));
}

const sectionsOf = (tokens: readonly HeatToken[], scale: ColourScale): StripSection[] => [
  { label: "Text", tokens: tokens.map((token, i) => filled(token, i, scale)) },
];

function filled(token: HeatToken, key: number, scale: ColourScale): StripToken {
  const { text, piece = "", word = key, value } = token;
  const fill = value === null ? null : scale.colour(value);
  const number = value === null ? "no value" : showNumber(value);
  return {
    key,
    text,
    piece,
    word,
    fill,
    ink: fill && inkOn(fill),
    state: value === null ? "outside" : "scored",
    band: null,
    target: false,
    weight: Math.abs(value ?? 0),
    label: `${spoken(text || piece)}, ${number}`,
  };
}

function legendOf(scale: ColourScale, { unit, notes = [] }: HeatFacts): Legend {
  return { scale, unit, normalisation: "this text", notes };
}

function sourceOf(
  tokens: readonly HeatToken[],
  scale: ColourScale,
  facts: HeatFacts,
  context: ViewContext,
): FigureSource {
  return {
    table: () => ({
      caption: facts.title,
      columns: ["Position", "Token", `${facts.value} (${facts.unit})`],
      rows: tokens.map(({ text, piece, value }, i) => [fromOne(i), text || (piece ?? ""), value]),
    }),
    data: () => tokens,
    svg: () => drawSheet(tokens, scale, facts, context),
  };
}

function drawSheet(
  tokens: readonly HeatToken[],
  scale: ColourScale,
  facts: HeatFacts,
  context: ViewContext,
): SVGSVGElement {
  const theme = get(context.theme);
  const sheet = createSheet(facts.title, theme, get(context.run));
  const { width, height } = drawStrip(sheet.body, sectionsOf(tokens, scale), EXPORT_WIDTH, theme);
  const key = drawKey(sheet.body, legendOf(scale, facts), height, width);
  return sheet.finish(width, height + key);
}
