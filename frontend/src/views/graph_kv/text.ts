// The segments as text, with the attention that the chosen block pays to each token.

import { get } from "svelte/store";
import { inkOn, sequential } from "../../pictures/colour";
import { element } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { spoken } from "../../pictures/glyphs";
import { drawKey, renderLegend, type Legend } from "../../pictures/legend";
import type { Group } from "../../pictures/layer";
import { showNumber } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import { createTokenStrip, type StripSection, type StripToken } from "../../pictures/tokenStrip";
import { drawStrip } from "../../pictures/tokenStripSvg";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { readersText, tokenHeat, type Heat, type HeatToken } from "./heat";
import { choosePair, nameIn, ownPair, pairIndex, pairItem, type Panel, type Shown } from "./shown";
import { heatTable } from "./tables";

export function createText(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Attention on the text", "text", context);
  const readers = document.createElement("select");
  readers.addEventListener("change", () => {
    if (shown) choosePair(context, ownPair(shown.pairs, Number(readers.value)));
  });
  figure.controls.append(element("label", { class: "chooser" }, "Attention of", readers));
  let shown: Shown | null = null;
  let heat: Heat | null = null;

  /** The pair of the attending block and a token's block. */
  function pairOf(key: number | null): number | null {
    const token = heat?.tokens.find(({ index }) => index === key);
    if (!shown || !heat || !token) return null;
    const reader = heat.reader;
    const at = shown.pairs.findIndex((one) => one.reader === reader && one.source === token.block);
    return at < 0 ? null : at;
  }
  const hover = (key: number | null) => {
    const pair = pairOf(key);
    context.selection.hover(pair === null ? null : pairItem(pair));
  };
  const choose = (key: number) => {
    const pair = pairOf(key);
    if (pair !== null) choosePair(context, pair);
  };
  const strip = createTokenStrip(figure.body, "Tokens by block", {
    hover,
    choose,
    extend: (_, to) => choose(to),
    keys: context.keys,
  });

  const draw = whenChanged<Shown>(
    ({ state, theme, pair, layer, layout }) => [
      state.tokenMass,
      state.texts,
      state.segments,
      theme,
      pair,
      layer,
      layout,
    ],
    (now) => {
      heat = tokenHeat(now);
      if (!heat) return figure.hide();
      renderReaders(readers, now, heat.reader);
      strip.render(sectionsOf(now, heat));
      renderLegend(figure.legend, legendOf(now, heat));
      figure.update(sourceOf(now, heat, context));
    },
  );

  function mark(): void {
    if (!shown || !heat) return;
    const { hover, primary } = get(context.selection);
    const tokensOf = (pair: number | null) => {
      const one = shown?.pairs[pair ?? -1];
      const inside = one?.reader === heat?.reader ? one?.source : undefined;
      return heat?.tokens.filter(({ block }) => block === inside).map(({ index }) => index) ?? [];
    };
    const chosen = primary ? tokensOf(pairIndex(primary)) : [];
    strip.mark({
      hover: new Set(tokensOf(pairIndex(hover))),
      primary: null,
      pinned: null,
      set: new Set(chosen),
    });
  }

  return {
    render(now) {
      shown = now;
      draw(now);
      mark();
    },
    mark,
    destroy() {
      strip.destroy();
      figure.destroy();
    },
  };
}

function renderReaders(select: HTMLSelectElement, shown: Shown, reader: number): void {
  const names = (shown.layout?.event.blocks ?? []).map((_, block) => nameIn(shown, block));
  const options = names.map((name, block) => element("option", { value: String(block) }, name));
  if (select.options.length !== names.length) select.replaceChildren(...options);
  select.value = String(reader);
}

function sectionsOf(shown: Shown, heat: Heat): StripSection[] {
  const blocks = shown.layout?.event.blocks ?? [];
  return blocks.map((_, block) => ({
    label: nameIn(shown, block),
    tokens: heat.tokens
      .filter((token) => token.block === block)
      .map((token) => tokenOf(shown, heat, token)),
  }));
}

function tokenOf({ theme }: Shown, { limit, reader }: Heat, token: HeatToken): StripToken {
  const fill = token.read ? sequential(limit, theme).colour(token.mass) : null;
  const said = token.read ? showNumber(token.mass) : "masked";
  return {
    key: token.index,
    text: token.text,
    piece: "∅",
    word: token.index,
    fill,
    ink: fill && inkOn(fill),
    state: token.read ? "scored" : "masked",
    band: null,
    target: token.block === reader,
    weight: token.read ? token.mass : 0,
    label: `${spoken(token.text)}, ${said}`,
  };
}

function legendOf(shown: Shown, heat: Heat): Legend {
  return {
    scale: sequential(heat.limit, shown.theme),
    unit: "share of the block's attention",
    normalisation: "the tokens shown",
    notes: [
      `${readersText(shown, heat)}, mean over its tokens.`,
      "Hatched: masked. Underlined: the attending block.",
    ],
  };
}

const SHEET_WIDTH = 760;

function sourceOf(shown: Shown, heat: Heat, context: ViewContext): FigureSource {
  return {
    table: () => heatTable(shown),
    data: () => ({ reader: nameIn(shown, heat.reader), layer: shown.layer, tokens: heat.tokens }),
    svg: () => {
      const sheet = createSheet(readersText(shown, heat), shown.theme, get(context.run));
      const size = drawStrip(
        sheet.body as Group,
        sectionsOf(shown, heat),
        SHEET_WIDTH,
        shown.theme,
      );
      const key = drawKey(sheet.body as Group, legendOf(shown, heat), size.height, SHEET_WIDTH);
      return sheet.finish(SHEET_WIDTH, size.height + key);
    },
  };
}
