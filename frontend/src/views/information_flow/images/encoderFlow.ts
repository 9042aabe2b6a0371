// What words pass to each other inside the text encoder: a matrix, its layer chosen by a slider.

import { HOVER } from "../../../base/pointing";
import { get } from "svelte/store";
import type { Numbers } from "../../../net/arrays";
import type { EncoderFlow } from "../../../gen/information_flow";
import { limitOf, sequential } from "../../../pictures/colour";
import { element, say } from "../../../pictures/dom";
import { createFigure, type FigureSource } from "../../../pictures/figure";
import { legible } from "../../../pictures/glyphs";
import { drawKey, renderLegend, type Legend } from "../../../pictures/legend";
import type { Group } from "../../../pictures/layer";
import { createMatrix, drawMatrix } from "../../../pictures/matrix";
import type { CellAt, Matrix } from "../../../pictures/matrixPixels";
import { showNumber } from "../../../pictures/numbers";
import { createSheet } from "../../../pictures/sheet";
import type { Cell, Table } from "../../../pictures/table";
import type { Shelf } from "../../../view/shelf";
import type { ViewContext } from "../../../view/view";
import type { Panel, Shown } from "./shown";

/** The words read, then what all others together do, then two ways of leaving them out. */
const MORE = ["all others", "isolated", "all isolated"] as const;

interface Arrays {
  flow: Numbers;
  total: Numbers;
  alone: Numbers;
  blocks: Numbers;
}

interface Look {
  event: EncoderFlow;
  arrays: Arrays;
  /** 0: all layers at once. */
  window: number;
}

export function createEncoderFlow(root: HTMLElement, context: ViewContext, shelf: Shelf): Panel {
  const figure = createFigure(root, "Attention cuts in the text encoder", "encoder", context);
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: "0", step: "1" });
  const output = element("output", {});
  figure.controls.append(
    element("label", { class: "slider" }, element("span", {}, "Cut in"), slider, output),
  );
  slider.addEventListener("input", () => context.state.set("window", slider.value));
  let look: Look | null = null;
  let hovered: CellAt | null = null;
  let primary: CellAt | null = null;
  const picture = createMatrix(figure.body, "Attending words by attended words; arrow keys move", {
    hover(cell) {
      hovered = cell;
      mark();
    },
    choose(cell) {
      primary = cell;
      mark();
    },
  });
  const readout = figure.body.appendChild(
    element("p", { class: "readout", "aria-live": "polite" }),
  );

  function mark(): void {
    picture.mark({ hover: hovered, primary });
    const cell = hovered ?? primary;
    say(
      readout,
      cell && look ? cellSentence(look, cell) : `${HOVER} a cell or use the arrow keys.`,
    );
  }

  return {
    render(shown) {
      look = lookOf(shown, context, shelf);
      if (!look) return;
      const windows = look.event.flow.shape[0] ?? 1;
      slider.max = String(windows - 1);
      slider.value = String(look.window);
      slider.disabled = windows < 2;
      output.textContent = windowName(look.window);
      slider.setAttribute("aria-valuetext", windowName(look.window));
      const matrix = matrixOf(look, shown);
      picture.render(matrix);
      renderLegend(figure.legend, legendOf(look, shown));
      figure.update(sourceOf(look, shown, matrix, context));
      mark();
    },
    destroy: figure.destroy,
  };
}

function lookOf({ state }: Shown, context: ViewContext, shelf: Shelf): Look | null {
  const event = state.flow;
  if (!event) return null;
  const [flow, total, alone, blocks] = [event.flow, event.total, event.alone, event.blocks].map(
    (ref) => shelf(ref.sha256, () => context.arrays(ref)),
  );
  if (!flow || !total || !alone || !blocks) return null;
  const windows = event.flow.shape[0] ?? 1;
  const asked = Number(context.state.get("window") ?? 0);
  const window = Number.isInteger(asked) && asked >= 0 && asked < windows ? asked : 0;
  return { event, arrays: { flow, total, alone, blocks }, window };
}

const windowName = (window: number) => (window === 0 ? "all layers" : `layer ${window} only`);

/** Row-major, the further columns included. */
function valuesOf({ event, arrays, window }: Look): number[] {
  const count = event.words.length;
  return event.words.flatMap((_, reader) => {
    const start = (window * count + reader) * count;
    return [
      ...arrays.flow.subarray(start, start + count),
      arrays.total[window * count + reader] ?? 0,
      arrays.alone[reader] ?? 0,
      arrays.blocks[reader] ?? 0,
    ];
  });
}

const columnsOf = ({ event }: Look) => [...event.words.map(legible), ...MORE];

function matrixOf(look: Look, { theme }: Shown): Matrix {
  const columns = columnsOf(look);
  const values = valuesOf(look);
  const masked = Uint8Array.from(values, (_, i) => {
    const [row, column] = [Math.floor(i / columns.length), i % columns.length];
    return row === column ? 1 : 0;
  });
  const scale = sequential(limitOf(values), theme);
  const words = look.event.words.map(legible);
  return {
    rows: words,
    columns,
    values,
    masked,
    scales: words.map(() => scale),
    theme,
    rules: [words.length],
  };
}

function legendOf(look: Look, { theme }: Shown): Legend {
  return {
    scale: sequential(limitOf(valuesOf(look)), theme),
    unit: "1 − cosine, change of the row's word when its attention to the column's word is cut",
    normalisation: "this matrix",
    notes: [
      `Cut in ${windowName(look.window)}.`,
      "All others: attention to every other word cut at once. Isolated: the word encoded in isolation. All isolated: no attention between words. The last two apply to all layers.",
    ],
  };
}

function cellSentence(look: Look, { row, column }: CellAt): string {
  const columns = columnsOf(look);
  const reader = legible(look.event.words[row] ?? "");
  if (row === column) return `“${reader}”: attention to itself is not cut.`;
  const value = valuesOf(look)[row * columns.length + column] ?? 0;
  const total = look.arrays.total[look.window * look.event.words.length + row] ?? 0;
  const share = total > 0 && column < look.event.words.length ? value / total : null;
  const part = share === null ? "" : `, ${showNumber(share)} of the effect of all others`;
  return `“${reader}” without “${columns[column] ?? ""}”: ${showNumber(value)}${part}`;
}

function tableOf(look: Look): Table {
  const columns = columnsOf(look);
  const values = valuesOf(look);
  return {
    caption: `Change of each word (rows) when its attention to another (columns) is cut, 1 − cosine, in ${windowName(look.window)}`,
    columns: ["word", ...columns],
    rows: look.event.words.map((word, row): Cell[] => [
      legible(word),
      ...columns.map((_, column) =>
        row === column ? null : (values[row * columns.length + column] ?? null),
      ),
    ]),
  };
}

function sourceOf(look: Look, shown: Shown, matrix: Matrix, context: ViewContext): FigureSource {
  return {
    table: () => tableOf(look),
    data: () => ({
      words: look.event.words,
      shape: look.event.flow.shape,
      flow: Array.from(look.arrays.flow),
      total: Array.from(look.arrays.total),
      alone: Array.from(look.arrays.alone),
      blocks: Array.from(look.arrays.blocks),
    }),
    svg: () => {
      const sheet = createSheet(
        "Attention cuts in the text encoder",
        shown.theme,
        get(context.run),
      );
      const body = sheet.body as Group;
      const size = drawMatrix(body.append("g"), matrix, 560);
      const top = size.height + 16;
      const key = drawKey(body, legendOf(look, shown), top, 640);
      return sheet.finish(Math.max(640, size.width), top + key);
    },
  };
}
