// First tokens as sinks: what each block's other tokens pay to its first.

import { get } from "svelte/store";
import { createBars, drawBars, type BarChart } from "../../pictures/bars";
import { element } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import type { Group } from "../../pictures/layer";
import { showNumber, showPercent } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { cellMean } from "./mass";
import { nameIn, whereText, type Panel, type Shown } from "./shown";
import { sinkTable } from "./tables";

const ONE = [{ key: "sink", label: "", slot: 0 }] as const;

export function createSinks(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Attention sinks", "sinks", context);
  const bars = createBars(figure.body, context);
  const note = figure.body.appendChild(element("p", { class: "readout" }));
  const draw = whenChanged<Shown>(
    ({ state, theme, layer, head }) => [
      state.sinks,
      state.routes,
      state.segments,
      theme,
      layer,
      head,
    ],
    (shown) => {
      if (!shown.state.sinks) return figure.hide();
      figure.update(sourceOf(shown, context));
      bars.render(chartOf(shown));
      note.textContent = routesText(shown);
      figure.legend.textContent =
        "Bar length: share of attention (0 to 100 %) that the tokens of a block pay to its first token, " +
        `${whereText(shown)}. A block encoded in isolation has its own sink, because its first token ` +
        "can attend only to itself.";
    },
  );
  return { render: draw, destroy: figure.destroy };
}

function chartOf(shown: Shown): BarChart {
  const { sinks } = shown.state;
  const [, layers = 0, heads = 0] = sinks?.event.mass.shape ?? [];
  const bars = (sinks?.event.blocks ?? []).map((block, at) => {
    const { layer, head } = shown;
    const mass = sinks ? cellMean(sinks.mass, at, [layers, heads], [layer, head]) : 0;
    const chosen = shown.pairs[shown.pair ?? -1]?.reader === block;
    return {
      key: String(block),
      label: nameIn(shown, block),
      parts: [mass],
      note: showPercent(mass),
      strong: chosen,
    };
  });
  const title = "Attention to the first token of the block";
  return { title, stem: "sink-bars", categories: ONE, bars, theme: shown.theme };
}

/** The run's check that both attention implementations agree. */
function routesText({ state: { routes } }: Shown): string {
  if (!routes) return "";
  return (
    `Check in this run: block-sparse and eager attention differ by at most ` +
    `${showNumber(routes.logit_difference)} in the answer's logits and ` +
    `${showNumber(routes.mass_difference)} in attention.`
  );
}

const SHEET_WIDTH = 560;

function sourceOf(shown: Shown, context: ViewContext): FigureSource {
  return {
    table: () => sinkTable(shown),
    data: () => ({ rows: sinkTable(shown).rows, routes: shown.state.routes }),
    svg: () => {
      const sheet = createSheet("Attention sinks", shown.theme, get(context.run));
      const size = drawBars(sheet.body as Group, chartOf(shown), SHEET_WIDTH);
      return sheet.finish(SHEET_WIDTH, size.height);
    },
  };
}
