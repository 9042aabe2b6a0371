// The chosen pair, layer by layer and head by head, and the button that cuts its edge.

import { get } from "svelte/store";
import { limitOf, sequential } from "../../pictures/colour";
import { button, element, say } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { drawKey, renderLegend, type Legend } from "../../pictures/legend";
import type { Group } from "../../pictures/layer";
import { createMatrix, drawMatrix } from "../../pictures/matrix";
import type { CellAt, Matrix } from "../../pictures/matrixPixels";
import { showNumber, showSigned } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { cutEdge, edgeAt } from "./cut";
import { knockOutOf, massAt, pairName, type Pair, type Panel, type Shown } from "./shown";
import { headTable } from "./tables";

export function createEdge(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Selected edge by layer and head", "edge", context);
  const cut = button("Cut this edge and run again", () => shown && cutEdge(context, shown), {
    class: "chip",
  });
  const mean = button("Mean over layers and heads", () => choose(null), { class: "chip" });
  figure.controls.append(mean, cut);
  const heading = figure.body.appendChild(element("p", { class: "explaining" }));
  const readout = element("p", { class: "readout", "aria-live": "polite" });
  let shown: Shown | null = null;
  let preview: CellAt | null = null;

  function choose(cell: CellAt | null): void {
    context.state.set("layer", cell ? String(cell.row) : null);
    context.state.set("head", cell ? String(cell.column) : null);
  }
  const picture = createMatrix(figure.body, "Attention by layer and head; arrow keys move", {
    hover(cell) {
      preview = cell;
      mark();
    },
    choose,
  });
  figure.body.append(readout);

  const draw = whenChanged<Shown>(
    ({ state, theme, pair, layout }) => [state.edgeMass, state.knockOuts, theme, pair, layout],
    (now) => {
      const pair = now.pairs[now.pair ?? -1];
      if (!pair || !now.state.edgeMass) return figure.hide();
      heading.textContent = headline(now, pair);
      const matrix = matrixOf(now, pair);
      figure.update(sourceOf(now, pair, matrix, context));
      picture.render(matrix);
      renderLegend(figure.legend, legendOf(matrix));
    },
  );

  function mark(): void {
    const pair = shown?.pairs[shown.pair ?? -1];
    if (!shown || !pair || !shown.state.edgeMass) return;
    const { layer, head } = shown;
    const primary = layer === null || head === null ? null : { row: layer, column: head };
    picture.mark({ hover: preview, primary, row: head === null ? layer : null });
    const cell = preview ?? primary;
    const mass = cell && massAt(shown, pair, cell.row, cell.column);
    say(
      readout,
      cell
        ? `Layer ${cell.row}, head ${cell.column}: ${showNumber(mass ?? 0)} of the attention`
        : "Select a cell to show that layer and head in all figures; [ ] and { } step through them.",
    );
  }

  return {
    render(now) {
      shown = now;
      draw(now);
      const whole = now.layer === null && now.head === null;
      mean.setAttribute("aria-pressed", String(whole));
      cut.hidden = !context.rerun || edgeAt(now) === null;
      mark();
    },
    mark,
    destroy: figure.destroy,
  };
}

function headline(shown: Shown, pair: Pair): string {
  const mass = massAt(shown, pair, null, null);
  const cut = knockOutOf(shown, pair);
  const parts = [
    `${pairName(shown, pair)}: ${showNumber(mass ?? 0)} of its attention, mean over layers and heads`,
  ];
  if (cut) {
    parts.push(
      `cutting the edge changes log p of the answer by ${showSigned(cut.delta)} nats to ` +
        showNumber(cut.logprob),
    );
  }
  return `${parts.join("; ")}.`;
}

function matrixOf(shown: Shown, pair: Pair): Matrix {
  const { layers, heads, theme } = shown;
  const values = Float64Array.from(
    { length: layers * heads },
    (_, at) => massAt(shown, pair, Math.floor(at / heads), at % heads) ?? 0,
  );
  const scale = sequential(limitOf(values), theme);
  return {
    rows: Array.from({ length: layers }, (_, layer) => `layer ${layer}`),
    columns: Array.from({ length: heads }, (_, head) => `head ${head}`),
    values,
    masked: new Uint8Array(values.length),
    scales: Array.from({ length: layers }, () => scale),
    theme,
  };
}

const legendOf = ({ scales: [scale], theme }: Matrix): Legend => ({
  scale: scale ?? sequential(0, theme),
  unit: "share of the attending block's attention",
  normalisation: "this map",
  notes: ["Mean over the attending block's tokens; the attention of a token sums to 1."],
});

function sourceOf(shown: Shown, pair: Pair, matrix: Matrix, context: ViewContext): FigureSource {
  const name = pairName(shown, pair);
  return {
    table: () => ({ ...headTable(shown, shown.pairs.indexOf(pair)), caption: name }),
    data: () => ({
      name,
      ...pair,
      layers: shown.layers,
      heads: shown.heads,
      mass: [...Array.from(matrix.values)],
    }),
    svg: () => {
      const sheet = createSheet(`${name}, by layer and head`, shown.theme, get(context.run));
      const size = drawMatrix(sheet.body, matrix, 620);
      const key = drawKey(sheet.body as Group, legendOf(matrix), size.height, 620);
      return sheet.finish(Math.max(size.width, 620), size.height + key);
    },
  };
}
