// Input × output: every output token's row of the same probes.

import { HOVER } from "../../base/pointing";
import { get } from "svelte/store";
import { limitOf, sequential, type ColourScale } from "../../pictures/colour";
import { say, segmented } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { quoted, visible } from "../../pictures/glyphs";
import { drawKey, renderLegend, type Legend } from "../../pictures/legend";
import { createMatrix, drawMatrix } from "../../pictures/matrix";
import type { CellAt, Matrix } from "../../pictures/matrixPixels";
import { showNumber } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import { supportScale } from "../../pictures/support";
import { indexOf, positionItem } from "../../view/position";
import type { Selected } from "../../view/selection";
import type { ViewContext } from "../../view/view";
import { positionState, rowName } from "./maps";
import { FAINT_WORDS, isFaint, signed, unitName, type Panel, type Shown } from "./shown";
import { whenChanged } from "../../view/panel";
import type { Maps, State } from "./state";
import { matrixTable } from "./tables";

const LIMITS = ["whole map", "each row"] as const;
type Limits = (typeof LIMITS)[number];
const limitsOf = (text: string | null): Limits => (text === "row" ? "each row" : "whole map");

export function createInputOutput(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Input × output", "matrix", context);
  const limits = segmented(context, "Limits from", LIMITS, (value) =>
    context.state.set("limits", value === "each row" ? "row" : null),
  );
  figure.controls.append(limits.node);
  const readout = document.createElement("p");
  readout.className = "readout";
  readout.setAttribute("aria-live", "polite");
  let shown: Shown | null = null;
  let rows: number[] = [];
  let preview: CellAt | null = null;

  const picture = createMatrix(figure.body, "Input × output matrix; arrow keys move", {
    others: { marks: context.marks, columnOf: indexOf },
    hover(cell) {
      preview = cell;
      context.selection.hover(cell && positionItem(cell.column));
      mark(get(context.selection));
    },
    choose(cell) {
      const row = rows[cell.row] ?? 0;
      context.state.set("target", row === 0 ? null : String(row - 1));
      context.selection.choose(positionItem(cell.column));
    },
  });
  figure.body.append(readout);

  const ingredients = ({ state, theme }: Shown) => [
    state.maps,
    state.tokens,
    state.output,
    theme,
    context.state.get("limits"),
  ];
  const draw = whenChanged(ingredients, (now) => {
    const { maps } = now.state;
    if (!maps || maps.rows < 2) return;
    rows = rowsShown(now.state);
    const normalisation = limitsOf(context.state.get("limits"));
    limits.choose(normalisation);
    const matrix = matrixOf(now, maps, rows, normalisation);
    figure.update(sourceOf(now, rows, matrix, normalisation, context));
    picture.render(matrix);
    renderLegend(figure.legend, legendOf(now, matrix, normalisation));
  });

  function render(now: Shown): void {
    shown = now;
    draw(now);
    mark(get(context.selection));
  }

  function mark(selected: Selected): void {
    if (!shown) return;
    const primary = primaryCell(shown, rows, indexOf(selected.primary));
    picture.mark({ hover: preview, primary });
    const cell = preview ?? primary;
    say(readout, cell ? sentence(shown.state, rows, cell) : `${HOVER} or use the arrow keys.`);
  }

  return { render, mark, destroy: figure.destroy };
}

/** The run's target has a row of its own unless an output token's row says the same. */
export function rowsShown({ maps, output }: State): number[] {
  const all = Array.from({ length: maps?.rows ?? 0 }, (_, row) => row);
  const same = output && output.target_length === 1 && !output.contrast;
  return same ? all.slice(1) : all;
}

function primaryCell({ state, row }: Shown, rows: number[], column: number | null): CellAt | null {
  const wanted = row === 0 && !rows.includes(0) ? (state.output?.target_start ?? 0) + 1 : row;
  const at = rows.indexOf(wanted);
  return column === null || at < 0 ? null : { row: at, column };
}

function matrixOf(shown: Shown, maps: Maps, rows: number[], limits: Limits): Matrix {
  const { state, theme } = shown;
  const width = maps.positions;
  const values = new Float64Array(rows.length * width);
  const masked = new Uint8Array(rows.length * width);
  const faded = new Uint8Array(rows.length * width);
  rows.forEach((row, i) => {
    values.set(Array.from(maps.mean.subarray(row * width, (row + 1) * width)), i * width);
    for (let column = 0; column < width; column++) {
      const [at, cell] = [row * width + column, i * width + column];
      masked[cell] = positionState(state, row, column) === "scored" ? 0 : 1;
      faded[cell] = isFaint(state, maps.mean[at] ?? 0, maps.standardError[at] ?? 0) ? 1 : 0;
    }
  });
  const scale = (limit: number) =>
    signed(state) ? supportScale(limit, theme, "present") : sequential(limit, theme);
  const whole = scale(limitOf(values));
  const scales = rows.map((_, i): ColourScale =>
    limits === "whole map" ? whole : scale(limitOf(values.subarray(i * width, (i + 1) * width))),
  );
  const columns = state.tokens.slice(0, width).map((token) => visible(token.text || token.piece));
  return {
    rows: rows.map((row) => nameOf(state, row)),
    columns,
    values,
    masked,
    faded,
    scales,
    theme,
  };
}

function nameOf(state: State, row: number): string {
  return row === 0 ? `target: ${visible(rowName(state, row))}` : visible(rowName(state, row));
}

function sentence(state: State, rows: number[], { row, column }: CellAt): string {
  const at = rows[row] ?? 0;
  const maps = state.maps;
  const target = `${at === 0 ? "target " : ""}${quoted(rowName(state, at))}`;
  const names = `${quoted(state.tokens[column]?.text ?? "")} → ${target}`;
  const kind = positionState(state, at, column);
  if (!maps || kind === "outside") return `${names}: comes after the output token`;
  if (kind === "masked") return `${names}: protected, no score`;
  const cell = at * maps.positions + column;
  const [mean = 0, error = 0] = [maps.mean[cell], maps.standardError[cell]];
  return `${names}: ${showNumber(mean)} ± ${showNumber(error)} ${unitName(state)}`;
}

function legendOf({ state }: Shown, matrix: Matrix, limits: Limits): Legend {
  const own = limits === "each row";
  const widest = matrix.scales.reduce((a, b) => (a.limit >= b.limit ? a : b));
  return {
    scale: own ? { ...widest, limit: 1 } : widest,
    unit: own ? "share of the row's largest score" : unitName(state),
    normalisation: own ? "each row separately" : "the whole map",
    notes: [
      "Grey check: no score (protected, or after the output token).",
      ...(signed(state) ? [FAINT_WORDS] : []),
    ],
  };
}

const SHEET_WIDTH = 900;

function sourceOf(
  shown: Shown,
  rows: number[],
  matrix: Matrix,
  limits: Limits,
  context: ViewContext,
): FigureSource {
  return {
    table: () => matrixTable(shown.state, rows),
    data: () => ({
      rows: matrix.rows,
      columns: matrix.columns,
      unit: unitName(shown.state),
      mean: nested(matrix.values, matrix),
      masked: nested(matrix.masked, matrix),
    }),
    svg: () => {
      const sheet = createSheet("ReAGent: input × output", shown.theme, get(context.run));
      const size = drawMatrix(sheet.body, matrix, SHEET_WIDTH);
      const legend = legendOf(shown, matrix, limits);
      const width = Math.max(size.width, 700);
      const key = drawKey(sheet.body, legend, size.height + 4, width);
      return sheet.finish(width, size.height + 4 + key);
    },
  };
}

function nested(values: ArrayLike<number>, { rows, columns }: Matrix): number[][] {
  const all = Array.from(values);
  return rows.map((_, i) => all.slice(i * columns.length, (i + 1) * columns.length));
}
