// Contribution vs. causal effect: the same text filled by each, and their rank correlation.

import { get } from "svelte/store";
import type { Agreement } from "../../../gen/information_flow";
import { limitOf, sequential } from "../../../pictures/colour";
import { element } from "../../../pictures/dom";
import { createFigure, type FigureSource } from "../../../pictures/figure";
import type { Group } from "../../../pictures/layer";
import { showNumber, showSigned } from "../../../pictures/numbers";
import { createSheet } from "../../../pictures/sheet";
import { AGAINST_WORDS, SUPPORT_WORDS, supportScale } from "../../../pictures/support";
import { createTokenStrip, type StripSection, type TokenStrip } from "../../../pictures/tokenStrip";
import { drawStrip } from "../../../pictures/tokenStripSvg";
import { POSITION, positionItem } from "../../../view/position";
import type { Selected } from "../../../view/selection";
import type { ViewContext } from "../../../view/view";
import { marksOf, sectionsOf, type Filling } from "./sections";
import { groupsOf, type Panel, type Shown } from "./shown";
import { agreementTable } from "./tables";

type Side = "routes" | "cuts";
const SIDES: readonly Side[] = ["routes", "cuts"];
const HEADINGS: Record<Side, string> = {
  routes:
    "Contribution: importance of edges into the position that predicts the answer, all layers",
  cuts: "Causal effect: loss of the answer when cut, −Δ log p (nats)",
};

export function createAgreement(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Contribution vs. causal effect", "agreement", context);
  const heading = figure.body.appendChild(element("p", { class: "sharpness" }));
  const holder = figure.body.appendChild(element("div", { class: "strips side-by-side" }));
  const strips = SIDES.map((side) => createSide(holder, side, context));
  let shown: Shown | null = null;

  function render(now: Shown): void {
    shown = now;
    const target = now.state.agreements.get("target");
    if (!target) return figure.hide();
    heading.textContent = headingOf(now);
    SIDES.forEach((side, at) => strips[at]?.render(sectionsFor(now, target, side)));
    figure.legend.textContent = `Fill: limits of each side, nothing clipped. Causal effect: ${SUPPORT_WORDS.present} ${AGAINST_WORDS}`;
    figure.update(sourceOf(now, target, context));
    mark(get(context.selection));
  }

  function mark(selected: Selected): void {
    if (!shown) return;
    const marks = marksOf(shown.state, selected);
    for (const strip of strips) strip.mark(marks);
  }

  return { render, mark, destroy: figure.destroy };
}

function createSide(root: HTMLElement, side: Side, context: ViewContext): TokenStrip {
  const node = root.appendChild(element("section", { class: "baseline" }));
  node.append(element("h3", {}, HEADINGS[side]));
  return createTokenStrip(node, HEADINGS[side], {
    hover: (key) => context.selection.hover(key === null ? null : positionItem(key)),
    choose: (key) => context.selection.choose(positionItem(key)),
    extend: (_, to) => context.selection.choose(positionItem(to)),
    others: { marks: context.marks, kind: POSITION },
  });
}

function headingOf({ state }: Shown): string {
  const said = (["target", "states"] as const).flatMap((about) => {
    const found = state.agreements.get(about);
    if (!found) return [];
    const among =
      about === "target" ? "groups, effect on the answer" : "pairs, effect on the reader's state";
    const rank = found.spearman === null ? "undefined" : showNumber(found.spearman);
    return [`${rank} over ${found.pairs.toLocaleString("en")} ${among}`];
  });
  return (
    `Rank correlation (Spearman) of contribution and causal effect: ${said.join("; ")}. ` +
    "Where they differ, the causal effect shows what the answer depends on."
  );
}

function fillingFor({ state, theme }: Shown, agreement: Agreement, side: Side): Filling {
  const values = agreement[side];
  const limit = limitOf(values);
  return {
    scale: side === "routes" ? sequential(limit, theme) : supportScale(limit, theme, "present"),
    value: (group) => values[group] ?? null,
    said: (value) => (side === "routes" ? showNumber(value) : `${showSigned(value)} nats`),
    without: "masked",
    measured: "present",
    reader: groupsOf(state).length - 1,
  };
}

const sectionsFor = (shown: Shown, agreement: Agreement, side: Side): StripSection[] =>
  sectionsOf(shown.state, fillingFor(shown, agreement, side));

const SHEET_WIDTH = 760;

function sourceOf(shown: Shown, agreement: Agreement, context: ViewContext): FigureSource {
  return {
    table: () => agreementTable(shown.state),
    data: () => [...shown.state.agreements.values()],
    svg: () => {
      const sheet = createSheet(
        "Information flow: contribution vs. causal effect",
        shown.theme,
        get(context.run),
      );
      const sections = SIDES.flatMap((side) =>
        sectionsFor(shown, agreement, side)
          .slice(0, 1)
          .map((section) => ({ ...section, label: HEADINGS[side] })),
      );
      const size = drawStrip(sheet.body as Group, sections, SHEET_WIDTH, shown.theme);
      return sheet.finish(size.width, size.height);
    },
  };
}
