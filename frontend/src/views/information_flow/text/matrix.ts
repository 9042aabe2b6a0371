// A row per reader, a column per source; each cell is the effect of one cut.

import { get } from "svelte/store";
import type { FlowRow } from "../../../gen/information_flow";
import { element, say, segmented } from "../../../pictures/dom";
import { createFigure, type FigureSource } from "../../../pictures/figure";
import { drawKey, renderLegend, type Legend } from "../../../pictures/legend";
import type { Group } from "../../../pictures/layer";
import { createMatrix, drawMatrix } from "../../../pictures/matrix";
import type { CellAt, Matrix } from "../../../pictures/matrixPixels";
import { showNumber, showSigned } from "../../../pictures/numbers";
import { createSheet, inkOf } from "../../../pictures/sheet";
import { inkOn } from "../../../pictures/colour";
import { SUPPORT_WORDS } from "../../../pictures/support";
import { indexOf, positionItem } from "../../../view/position";
import { whenChanged } from "../../../view/panel";
import type { Selected } from "../../../view/selection";
import type { ViewContext } from "../../../view/view";
import { chooseGroup, chooseReader, toggleEdges } from "./choose";
import { numbersText } from "./edges";
import { createRunButton } from "./editor";
import type { Edits } from "./edits";
import { createFoldButton, folded, foldOf, foldText, unfolded, type Fold } from "./matrixFold";
import {
  axisName,
  effectOf,
  groupAt,
  groupsOf,
  isEstimated,
  MEASURES,
  quotedName,
  scaleOf,
  unitOf,
  type Panel,
  type Shown,
} from "./shown";
import type { State } from "./state";
import { matrixTable } from "./tables";

export function createFlowMatrix(root: HTMLElement, context: ViewContext, edits: Edits): Panel {
  const figure = createFigure(root, "Flow matrix", "matrix", context);
  const measure = segmented(context, "Effect on", MEASURES, (value) =>
    context.state.set("measure", value === "answer" ? null : "state"),
  );
  const run = createRunButton(context, edits);
  const layers = createLayers((place) => context.state.set("cut", place ? String(place) : null));
  figure.controls.append(measure.node, layers.node, run.node);
  let shown: Shown | null = null;
  let fold: Fold | null = null;
  const isWide = () => context.state.get("whole") !== null;
  let preview: CellAt | null = null;
  const label = "Flow matrix; arrow keys move, Enter adds or removes a cut";
  const picture = createMatrix(figure.body, label, {
    hover(cell) {
      preview = cell && inGroups(cell);
      const source = shown && preview ? groupsOf(shown.state)[preview.column] : undefined;
      context.selection.hover(source ? positionItem(source.start) : null);
      mark(get(context.selection));
    },
    choose: (cell) => choose(inGroups(cell)),
    press(at) {
      if (!shown) return;
      const cell = inGroups(at);
      choose(cell);
      toggleEdges(context, edits, shown.state, cell.row, [cell.column]);
    },
  });
  const more = createFoldButton(() => context.state.set("whole", isWide() ? null : "1"));
  figure.body.append(more.node);
  const readout = figure.body.appendChild(document.createElement("p"));
  readout.className = "readout";
  readout.setAttribute("aria-live", "polite");

  /** A cell of the picture as the groups of its row and column, and back. */
  const inGroups = ({ row, column }: CellAt): CellAt => ({
    row: fold?.rows[row] ?? row,
    column: fold?.columns[column] ?? column,
  });
  const inPicture = ({ row, column }: CellAt): CellAt | null => {
    const at = {
      row: fold?.rows.indexOf(row) ?? row,
      column: fold?.columns.indexOf(column) ?? column,
    };
    return at.row < 0 || at.column < 0 ? null : at;
  };

  function choose(cell: CellAt): void {
    if (!shown) return;
    chooseReader(context, shown.state, cell.row);
    chooseGroup(context, shown.state, cell.column);
  }

  const ingredients = ({ state, theme, measure, edges }: Shown) => [
    state.groups,
    state.rows,
    state.layerRows,
    state.flow,
    layerCut({ state }, context),
    theme,
    measure,
    edges,
    isWide(),
  ];
  const draw = whenChanged(ingredients, (now) => {
    if (now.state.rows.size === 0) return figure.hide();
    measure.choose(now.measure);
    layers.show(layersCut(now.state), layerCut(now, context));
    const whole = matrixOf(now);
    const foldable = isWhole(now) ? foldOf(whole, chosenCells(now)) : unfolded(whole);
    fold = isWide() ? unfolded(whole) : foldable;
    const matrix = folded(whole, fold);
    const note = fold.bound ? `Not drawn: ${foldText(whole, fold, foldUnit(now))}.` : "";
    figure.update(sourceOf(now, matrix, note, context));
    picture.render(matrix);
    more.show(whole, foldable, foldUnit(now), isWide());
    renderLegend(figure.legend, legendOf(now, note));
  });

  function render(given: Shown): void {
    const now = inLayer(given, layerCut(given, context));
    shown = now;
    run.render();
    draw(now);
    mark(get(context.selection));
  }

  function mark(selected: Selected): void {
    if (!shown) return;
    const { state, reader } = shown;
    const cell = (position: number | null): CellAt | null => {
      const column = groupAt(state, position);
      return column === null ? null : { row: reader, column };
    };
    const primary = cell(indexOf(selected.primary));
    const hover = preview ?? cell(indexOf(selected.hover));
    const row = fold ? fold.rows.indexOf(reader) : reader;
    picture.mark({
      hover: hover && inPicture(hover),
      primary: primary && inPicture(primary),
      row: row < 0 ? null : row,
    });
    const at = hover ?? primary;
    say(readout, at ? sentence(shown, at) : hintOf(shown));
  }

  return { render, mark, destroy: figure.destroy };
}

/** Layers that were cut alone, the lowest first. */
const layersCut = ({ layerRows }: State) => [...layerRows.keys()].sort((a, b) => a - b);

/** The layer whose matrix is shown; null: that of all layers at once. */
function layerCut({ state }: Pick<Shown, "state">, context: ViewContext): number | null {
  const place = Number(context.state.get("cut") ?? 0);
  return layersCut(state)[place - 1] ?? null;
}

/** What the matrix is drawn from when one layer alone is cut. */
function inLayer(shown: Shown, layer: number | null): Shown {
  const { state } = shown;
  if (layer === null || !state.groups) return shown;
  const rows = state.layerRows.get(layer) ?? new Map<number, FlowRow>();
  const groups = { ...state.groups, layers: [layer] };
  return { ...shown, state: { ...state, rows, groups, flow: null } };
}

/** A slider over the layers that were cut alone; at its left end all are cut. */
function createLayers(choose: (place: number) => void) {
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: "0", step: "1" });
  slider.addEventListener("input", () => choose(Number(slider.value)));
  const output = element("output", {});
  const node = element("label", { class: "slider" }, element("span", {}, "Cut in"), slider, output);
  return {
    node,
    show(layers: readonly number[], layer: number | null): void {
      node.hidden = layers.length === 0;
      slider.max = String(layers.length);
      slider.value = String(layer === null ? 0 : layers.indexOf(layer) + 1);
      output.textContent = layer === null ? "all layers" : `layer ${layer}`;
      slider.setAttribute("aria-valuetext", output.textContent);
    },
  };
}

const isWhole = ({ state }: Shown) => state.rows.size === groupsOf(state).length - 1;

const hintOf = (shown: Shown) =>
  isWhole(shown)
    ? "Click a cell to add or remove a cut; with the keyboard, arrow keys and Enter."
    : `${shown.state.rows.size} of ${groupsOf(shown.state).length - 1} rows so far.`;

export function matrixOf(shown: Shown): Matrix {
  const { state, theme, measure } = shown;
  const size = groupsOf(state).length;
  const values = new Float64Array(size * size);
  const masked = new Uint8Array(size * size);
  const faded = new Uint8Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const value = effectOf(state, measure, row, column);
      values[row * size + column] = value ?? 0;
      masked[row * size + column] = value !== null ? 0 : column < row ? 2 : 1;
      faded[row * size + column] = Number(isEstimated(state, row, column));
    }
  }
  const scale = scaleOf(shown);
  const names = groupsOf(state).map((_, group) => axisName(state, group));
  const scales = names.map(() => scale);
  const signs = chosenCells(shown).map((cell) => {
    const at = cell.row * size + cell.column;
    const ink = masked[at] ? inkOf(theme) : inkOn(scale.colour(values[at] ?? 0));
    return { ...cell, glyph: "✕", ink };
  });
  return { rows: names, columns: names, values, masked, faded, scales, theme, signs };
}

/** Cells with at least one chosen cut. */
function chosenCells({ state, edges }: Shown): CellAt[] {
  const groupsAmong = (positions: readonly number[]) => [
    ...new Set(positions.flatMap((position) => groupAt(state, position) ?? [])),
  ];
  const cells = edges.flatMap(({ queries, keys }) =>
    groupsAmong(queries).flatMap((row) => groupsAmong(keys).map((column) => ({ row, column }))),
  );
  return cells.filter(({ row, column }) => column < row);
}

function sentence(shown: Shown, { row, column }: CellAt): string {
  const { state } = shown;
  const names = `${quotedName(state, column)} → ${quotedName(state, row)}`;
  if (column === row) return `${names}: attention within a group is not cut`;
  if (column > row) return `${names}: comes later, masked`;
  const numbers = numbersAt(state, row, column);
  if (!numbers) return `${names}: not measured yet`;
  const chosen = chosenCells(shown).some((cell) => cell.row === row && cell.column === column);
  const how = isEstimated(state, row, column) ? "estimated, not cut" : "cut";
  return `${names}, ${how}: ${numbers}${chosen ? "; in your cuts" : ""}`;
}

function numbersAt(state: State, reader: number, source: number): string | null {
  const answer = effectOf(state, "answer", reader, source);
  const turned = effectOf(state, "reader's state", reader, source);
  if (answer === null) return null;
  if (turned === null) return `answer ${showSigned(answer)} nats`;
  return `answer ${showSigned(answer)} nats, reader's state changed by ${showNumber(turned)} (1 − cosine)`;
}

const foldUnit = ({ measure }: Shown) => (measure === "answer" ? "nats" : "(1 − cosine)");

/** `note`: what is folded. */
function legendOf(shown: Shown, note: string): Legend {
  const { state, measure } = shown;
  const { groups } = state;
  const way =
    groups?.ablation === "zero"
      ? "weights set to 0 after softmax, not renormalised"
      : "scores set to −∞ before softmax, the rest renormalised";
  const where = groups
    ? `in layers ${numbersText(groups.layers)}, heads ${numbersText(groups.heads)} (${way})`
    : "";
  return {
    scale: scaleOf(shown),
    unit: unitOf(measure),
    normalisation: "the whole matrix",
    notes: [
      `Cell: effect of cutting the attention of the row's ${groups?.grouping ?? "group"} (reader) to the column's (source) ${where}.`,
      measure === "answer" ? SUPPORT_WORDS.removed : "",
      "Grey check: masked or the group itself. Grey: not measured yet. ✕: in your cuts.",
      estimatesText(state),
      note,
      controlText(state),
    ].filter(Boolean),
  };
}

/** Empty where every edge was cut. */
function estimatesText({ rows, flow }: State): string {
  const exact = [...rows.values()].flatMap(({ exact, delta_logprob }) =>
    exact?.length ? exact : delta_logprob.map(() => true),
  );
  if (!exact.includes(false)) return "";
  const marks =
    "Faint: estimated by attribution patching (first order), not cut; full colour: cut.";
  if (!flow?.estimates) {
    const done = exact.filter(Boolean).length.toLocaleString("en");
    return `${marks} ${done} of ${exact.length.toLocaleString("en")} edges are cut so far.`;
  }
  const { edges, cut, spearman, largest_difference } = flow.estimates;
  const rank = spearman == null ? "undefined" : showNumber(spearman);
  return (
    `${marks} ${cut.toLocaleString("en")} of ${edges.toLocaleString("en")} edges are cut; on them, the estimates have ` +
    `a rank correlation of ${rank} with the cuts, and differ by ${showNumber(largest_difference)} nats at most.`
  );
}

function controlText({ flow }: State): string {
  if (!flow) return "";
  const { control, control_edges } = flow;
  return (
    `Control: ${control_edges} random ${control_edges === 1 ? "edge" : "edges"} per layer and head, ` +
    `${control.draws.length} draws: ${showSigned(control.mean)} ± ${showNumber(control.deviation)} nats (SD).`
  );
}

const SHEET_WIDTH = 900;

function sourceOf(shown: Shown, matrix: Matrix, note: string, context: ViewContext): FigureSource {
  const { state } = shown;
  return {
    table: () => matrixTable(state),
    data: () => ({
      groups: state.groups,
      rows: [...state.rows.values()],
      flow: state.flow,
    }),
    svg: () => {
      const sheet = createSheet("Information flow: matrix of cuts", shown.theme, get(context.run));
      const size = drawMatrix(sheet.body, matrix, SHEET_WIDTH);
      const width = Math.max(size.width, 700);
      const key = drawKey(sheet.body as Group, legendOf(shown, note), size.height, width);
      return sheet.finish(width, size.height + key);
    },
  };
}
