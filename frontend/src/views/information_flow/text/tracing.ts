// Causal tracing: which single state, restored, brings the answer back. A state can be picked: its
// value, and the cone of the states that it can act on.

import { get } from "svelte/store";
import { limitOf, type ColourScale } from "../../../pictures/colour";
import { element, say, segmented } from "../../../pictures/dom";
import { createFigure, type FigureSource } from "../../../pictures/figure";
import { visible } from "../../../pictures/glyphs";
import { drawKey, renderLegend, type Legend } from "../../../pictures/legend";
import type { Group } from "../../../pictures/layer";
import { createMatrix, drawMatrix } from "../../../pictures/matrix";
import type { CellAt, Matrix } from "../../../pictures/matrixPixels";
import { showNumber, showPercent, showSigned } from "../../../pictures/numbers";
import { createSheet } from "../../../pictures/sheet";
import { SUPPORT_WORDS, supportScale } from "../../../pictures/support";
import { indexOf, positionItem } from "../../../view/position";
import { whenChanged } from "../../../view/panel";
import type { Selected } from "../../../view/selection";
import type { ViewContext } from "../../../view/view";
import { chooseGroup } from "./choose";
import { coneOf } from "./cone";
import { axisName, groupAt, groupsOf, quotedName, RESTORED, type Panel, type Shown } from "./shown";
import type { State, TraceMap } from "./state";
import { traceTable } from "./tables";

const NAMES = { residual: "residual stream", attention: "attention output", mlp: "MLP output" };

export function createTracing(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Causal tracing", "tracing", context);
  const restored = segmented(context, "Restored", RESTORED, (value) =>
    context.state.set("restored", value === "residual" ? null : value),
  );
  figure.controls.append(restored.node);
  const heading = figure.body.appendChild(element("p", { class: "sharpness" }));
  let shown: Shown | null = null;
  let preview: CellAt | null = null;
  const label =
    "States by layer and token; arrow keys move, Enter selects a state and shows its causal cone";
  const holder = figure.body.appendChild(element("div", {}));
  const picture = createMatrix(holder, label, {
    hover(cell) {
      preview = cell;
      const group = shown && cell ? groupsOf(shown.state)[cell.column] : undefined;
      context.selection.hover(group ? positionItem(group.start) : null);
      mark(get(context.selection));
    },
    choose: pick,
    press(cell) {
      const picked = shown && pickedCell(shown, get(context.selection));
      if (picked?.row === cell.row && picked.column === cell.column) {
        context.state.set("layer", null);
      } else pick(cell);
    },
  });
  const readout = figure.body.appendChild(
    element("p", { class: "readout", "aria-live": "polite" }),
  );

  function pick(cell: CellAt): void {
    const layers = shown ? layersIn(shown) : 0;
    if (!shown || layers === 0) return;
    context.state.set("layer", String(layers - 1 - cell.row));
    chooseGroup(context, shown.state, cell.column);
  }

  const ingredients = ({ state, theme, restored }: Shown) => [
    state.groups,
    state.traces,
    state.corrupted,
    theme,
    restored,
  ];
  const draw = whenChanged(ingredients, (now) => {
    const { state } = now;
    if (!state.corrupted) return figure.hide();
    restored.choose(now.restored);
    heading.textContent = headingOf(state);
    figure.update(sourceOf(now, context));
    const matrix = matrixOf(now);
    holder.hidden = matrix === null;
    if (!matrix) return;
    picture.render(matrix);
    renderLegend(figure.legend, legendOf(now));
  });

  function render(now: Shown): void {
    shown = now;
    draw(now);
    mark(get(context.selection));
  }

  function mark(selected: Selected): void {
    if (!shown || layersIn(shown) === 0) return;
    const [layers, columns] = [layersIn(shown), groupsOf(shown.state).length];
    const picked = pickedCell(shown, selected);
    const lit = picked ? coneOf(layers - 1 - picked.row, picked.column, layers, columns) : [];
    picture.mark({ hover: preview, primary: picked, lit });
    const cell = preview ?? picked;
    say(readout, cell ? sentence(shown, cell) : hintOf(shown));
  }

  return { render, mark, destroy: figure.destroy };
}

const mapOf = ({ state, restored }: Shown): TraceMap | undefined => state.traces.get(restored);

const layersIn = (shown: Shown) => mapOf(shown)?.layers ?? 0;

const hintOf = (shown: Shown) =>
  mapOf(shown) ? "Click a state to show its causal cone." : "Not traced yet.";

/** The state that is picked; without a layer none is. */
function pickedCell(shown: Shown, { primary }: Selected): CellAt | null {
  const column = groupAt(shown.state, indexOf(primary));
  const layers = layersIn(shown);
  if (shown.layer === null || column === null || shown.layer >= layers) return null;
  return { row: layers - 1 - shown.layer, column };
}

function headingOf({ corrupted }: State): string {
  if (!corrupted) return "";
  const { label, clean, control, deviation } = corrupted;
  return (
    `Noise on “${visible(label)}” (${showNumber(deviation)} × the standard deviation of the embeddings) ` +
    `changes p of the answer from ${showPercent(clean)} to ${showPercent(corrupted.corrupted)} ` +
    `± ${showPercent(corrupted.corrupted_deviation)}; noise on as many random positions, to ` +
    `${showPercent(control)} ± ${showPercent(corrupted.control_deviation)}.`
  );
}

/** One scale for all three parts, so that they can be compared. */
function scaleOf({ state, theme }: Shown): ColourScale {
  const limits = [...state.traces.values()].map(({ effect }) => limitOf(Array.from(effect)));
  return supportScale(Math.max(0, ...limits), theme, "present");
}

export function matrixOf(shown: Shown): Matrix | null {
  const map = mapOf(shown);
  if (!map) return null;
  const { state, theme } = shown;
  const width = groupsOf(state).length;
  const values = new Float64Array(map.layers * width);
  const masked = new Uint8Array(map.layers * width);
  for (let row = 0; row < map.layers; row++) {
    const layer = map.layers - 1 - row;
    for (let column = 0; column < width; column++) {
      values[row * width + column] = map.effect[layer * width + column] ?? 0;
      if (column < width - map.event.done) masked[row * width + column] = 2;
    }
  }
  const rows = Array.from({ length: map.layers }, (_, row) => `layer ${map.layers - 1 - row}`);
  const hidden = new Set(state.corrupted?.positions);
  const columns = groupsOf(state).map(({ start }, group) =>
    hidden.has(start) ? `* ${axisName(state, group)}` : axisName(state, group),
  );
  const scale = scaleOf(shown);
  return { rows, columns, values, masked, scales: rows.map(() => scale), theme };
}

function sentence(shown: Shown, cell: CellAt): string {
  const map = mapOf(shown);
  if (!map) return "";
  const layer = map.layers - 1 - cell.row;
  return stateSentence(shown, map, layer, cell.column);
}

/** Value of a state and what it can act on. */
export function stateSentence(
  { state }: Shown,
  { event, layers, effect, error }: TraceMap,
  layer: number,
  group: number,
): string {
  const columns = groupsOf(state).length;
  const name = `${NAMES[event.restored]} of layer ${layer} at ${quotedName(state, group)}`;
  if (group < columns - event.done) return `${name}: not restored yet`;
  const at = layer * columns + group;
  const [value = 0, spread = 0] = [effect[at], error[at]];
  const { clean = 0, corrupted = 0 } = state.corrupted ?? {};
  const lost = clean - corrupted;
  const share =
    Math.abs(lost) > 1e-9 ? `, ${showPercent(value / lost)} of the loss from the noise` : "";
  const reach =
    layer === layers - 1
      ? "affects only the output at its own position"
      : `can affect layers ${layer + 1} to ${layers - 1} at ${quotedName(state, group)} and later`;
  return `${name}: restores ${showSigned(value)} ± ${showNumber(spread)} of p${share}; ${reach}.`;
}

function legendOf(shown: Shown): Legend {
  const event = mapOf(shown)?.event;
  const rest = event && !event.final ? ["Grey: not restored yet."] : [];
  return {
    scale: scaleOf(shown),
    unit: "change of p, mean over draws of noise (± standard error)",
    normalisation: "all three parts",
    notes: [
      "Cell: increase of p of the answer when this one state is restored. *: corrupted by noise.",
      SUPPORT_WORDS.present,
      "Frame: the selected state and its causal cone, later layers at its position and after.",
      ...rest,
    ],
  };
}

const SHEET_WIDTH = 900;

function sourceOf(shown: Shown, context: ViewContext): FigureSource {
  const { state } = shown;
  return {
    table: () => traceTable(state),
    data: () => ({
      corrupted: state.corrupted,
      groups: groupsOf(state),
      traces: [...state.traces.values()].map(({ event, layers, effect, error }) => ({
        restored: event.restored,
        final: event.final,
        shape: [layers, groupsOf(state).length],
        effect: Array.from(effect),
        standard_error: Array.from(error),
      })),
    }),
    svg: () => {
      const title = `Information flow: causal tracing, ${NAMES[shown.restored]}`;
      const sheet = createSheet(title, shown.theme, get(context.run));
      const matrix = matrixOf(shown);
      const size = matrix ? drawMatrix(sheet.body, matrix, SHEET_WIDTH) : { width: 0, height: 0 };
      const width = Math.max(size.width, 700);
      const key = drawKey(sheet.body as Group, legendOf(shown), size.height, width);
      return sheet.finish(width, size.height + key);
    },
  };
}
