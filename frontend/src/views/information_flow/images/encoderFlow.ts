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
import type { ResourceCache } from "../../../view/resourceCache";
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

interface WindowCut {
  event: EncoderFlow;
  arrays: Arrays;
  /** 0: all layers at once. */
  window: number;
}

export function createEncoderFlow(
  root: HTMLElement,
  context: ViewContext,
  resources: ResourceCache,
): Panel {
  const figure = createFigure(root, "Attention cuts in the text encoder", "encoder", context);
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: "0", step: "1" });
  const output = element("output", {});
  figure.controls.append(
    element("label", { class: "slider" }, element("span", {}, "Cut in"), slider, output),
  );
  slider.addEventListener("input", () => context.state.set("window", slider.value));
  let cut: WindowCut | null = null;
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
    say(readout, cell && cut ? cellSentence(cut, cell) : `${HOVER} a cell or use the arrow keys.`);
  }

  return {
    render(shown) {
      cut = cutOf(shown, context, resources);
      if (!cut) return;
      const windows = cut.event.flow.shape[0] ?? 1;
      slider.max = String(windows - 1);
      slider.value = String(cut.window);
      slider.disabled = windows < 2;
      output.textContent = windowName(cut.window);
      slider.setAttribute("aria-valuetext", windowName(cut.window));
      const matrix = matrixOf(cut, shown);
      picture.render(matrix);
      renderLegend(figure.legend, legendOf(cut, shown));
      figure.update(sourceOf(cut, shown, matrix, context));
      mark();
    },
    destroy: figure.destroy,
  };
}

function cutOf({ state }: Shown, context: ViewContext, resources: ResourceCache): WindowCut | null {
  const event = state.flow;
  if (!event) return null;
  const [flow, total, alone, blocks] = [event.flow, event.total, event.alone, event.blocks].map(
    (ref) => resources(ref.sha256, () => context.arrays(ref)),
  );
  if (!flow || !total || !alone || !blocks) return null;
  const windows = event.flow.shape[0] ?? 1;
  const asked = Number(context.state.get("window") ?? 0);
  const window = Number.isInteger(asked) && asked >= 0 && asked < windows ? asked : 0;
  return { event, arrays: { flow, total, alone, blocks }, window };
}

const windowName = (window: number) => (window === 0 ? "all layers" : `layer ${window} only`);

/** Row-major, the further columns included. */
function valuesOf({ event, arrays, window }: WindowCut): number[] {
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

const columnsOf = ({ event }: WindowCut) => [...event.words.map(legible), ...MORE];

function matrixOf(cut: WindowCut, { theme }: Shown): Matrix {
  const columns = columnsOf(cut);
  const values = valuesOf(cut);
  const masked = Uint8Array.from(values, (_, i) => {
    const [row, column] = [Math.floor(i / columns.length), i % columns.length];
    return row === column ? 1 : 0;
  });
  const scale = sequential(limitOf(values), theme);
  const words = cut.event.words.map(legible);
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

function legendOf(cut: WindowCut, { theme }: Shown): Legend {
  return {
    scale: sequential(limitOf(valuesOf(cut)), theme),
    unit: "1 − cosine, change of the row's word when its attention to the column's word is cut",
    normalisation: "this matrix",
    notes: [
      `Cut in ${windowName(cut.window)}.`,
      "All others: attention to every other word cut at once. Isolated: the word encoded in isolation. All isolated: no attention between words. The last two apply to all layers.",
    ],
  };
}

function cellSentence(cut: WindowCut, { row, column }: CellAt): string {
  const columns = columnsOf(cut);
  const reader = legible(cut.event.words[row] ?? "");
  if (row === column) return `“${reader}”: attention to itself is not cut.`;
  const value = valuesOf(cut)[row * columns.length + column] ?? 0;
  const total = cut.arrays.total[cut.window * cut.event.words.length + row] ?? 0;
  const share = total > 0 && column < cut.event.words.length ? value / total : null;
  const part = share === null ? "" : `, ${showNumber(share)} of the effect of all others`;
  return `“${reader}” without “${columns[column] ?? ""}”: ${showNumber(value)}${part}`;
}

function tableOf(cut: WindowCut): Table {
  const columns = columnsOf(cut);
  const values = valuesOf(cut);
  return {
    caption: `Change of each word (rows) when its attention to another (columns) is cut, 1 − cosine, in ${windowName(cut.window)}`,
    columns: ["word", ...columns],
    rows: cut.event.words.map((word, row): Cell[] => [
      legible(word),
      ...columns.map((_, column) =>
        row === column ? null : (values[row * columns.length + column] ?? null),
      ),
    ]),
  };
}

function sourceOf(
  cut: WindowCut,
  shown: Shown,
  matrix: Matrix,
  context: ViewContext,
): FigureSource {
  return {
    table: () => tableOf(cut),
    data: () => ({
      words: cut.event.words,
      shape: cut.event.flow.shape,
      flow: Array.from(cut.arrays.flow),
      total: Array.from(cut.arrays.total),
      alone: Array.from(cut.arrays.alone),
      blocks: Array.from(cut.arrays.blocks),
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
      const key = drawKey(body, legendOf(cut, shown), top, 640);
      return sheet.finish(Math.max(640, size.width), top + key);
    },
  };
}
