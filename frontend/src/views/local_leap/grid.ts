// Steps by positions: how sure the model was where, and when and why each token was committed.

import { HOVER } from "../../base/pointing";
import { get } from "svelte/store";
import { inkOn, sequential } from "../../pictures/colour";
import { element, say } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { quoted, visible } from "../../pictures/glyphs";
import { drawKey, renderLegend, type Legend } from "../../pictures/legend";
import { createMatrix, drawMatrix } from "../../pictures/matrix";
import type { CellAt, Matrix } from "../../pictures/matrixPixels";
import { showNumber, showConfidence } from "../../pictures/numbers";
import { fromOne, indexColumn } from "../../pictures/ordinal";
import { createSheet, inkOf } from "../../pictures/sheet";
import type { Cell, Table } from "../../pictures/table";
import type { Selected } from "../../view/selection";
import { whenChanged } from "../../view/panel";
import type { Theme } from "../../base/theme";
import type { ViewContext } from "../../view/view";
import { choosePosition, outputIndex, outputItem, type Panel, type Shown } from "../decoding/shown";
import type { Trace } from "../decoding/traces";
import { reasonsOf } from "./canvas";
import type { Clock } from "./clock";
import { commitSteps } from "./moment";
import { NEAR_MISS, REASONS, signsText } from "./reasons";

export function createGrid(root: HTMLElement, context: ViewContext, clock: Clock): Panel {
  const figure = createFigure(root, "Steps × positions", "grid", context);
  let shown: Shown | null = null;
  let preview: CellAt | null = null;
  const picture = createMatrix(figure.body, "Steps by positions; arrow keys move", {
    others: { marks: context.marks, columnOf: outputIndex },
    hover(cell) {
      preview = cell;
      context.selection.hover(cell && outputItem(cell.column));
    },
    choose(cell) {
      clock.go(cell.row);
      choosePosition(context, cell.column);
    },
  });
  const readout = element("p", { class: "readout", "aria-live": "polite" });
  figure.body.append(readout);

  const draw = whenChanged<Shown>(
    ({ trace, theme }) => [trace, theme],
    ({ trace, theme }) => {
      if (!trace || trace.canvas.length === 0) return figure.hide();
      const matrix = matrixOf(trace, theme);
      figure.update(sourceOf(trace, matrix, context));
      picture.render(matrix);
      renderLegend(figure.legend, legendOf(trace, matrix));
    },
  );

  function mark({ hover }: Selected): void {
    const trace = shown?.trace;
    if (!trace) return;
    const { step } = get(clock);
    const column = shown?.position ?? null;
    const primary = column === null ? null : { row: step, column };
    const hovered = outputIndex(hover);
    const over = preview ?? (hovered === null ? null : { row: step, column: hovered });
    picture.mark({ hover: over, primary, row: trace.canvas.length ? step : null });
    const cell = over ?? primary;
    say(readout, cell ? sentence(trace, cell) : `${HOVER} or use the arrow keys.`);
  }

  const stop = clock.subscribe(() => mark(get(context.selection)));
  return {
    render(now) {
      shown = now;
      draw(now);
      mark(get(context.selection));
    },
    mark,
    destroy() {
      stop();
      figure.destroy();
    },
  };
}

const NOT_YET = 1;
const DONE = 2;

export function matrixOf(trace: Trace, theme: Theme): Matrix {
  const width = trace.start.length;
  const { canvas } = trace;
  const values = new Float64Array(canvas.length * width);
  const masked = new Uint8Array(canvas.length * width).fill(NOT_YET);
  const written = commitSteps(trace);
  canvas.forEach(({ positions, confidences }, row) => {
    positions.forEach((position, i) => {
      values[row * width + position] = confidences[i] ?? 0;
      masked[row * width + position] = 0;
    });
  });
  for (const [position, { step }] of written) {
    for (let row = step; row < canvas.length; row++) {
      const at = row * width + position;
      if (row > step || masked[at]) masked[at] = DONE;
    }
  }
  const scale = sequential(1, theme);
  const block = trace.start.block ?? width;
  const names = Array.from({ length: width }, (_, position) => {
    const text = trace.output?.texts[position] ?? written.get(position)?.commit.text ?? "";
    return visible(text) || "▒";
  });
  return {
    rows: canvas.map(({ index }) => `step ${fromOne(index)}`),
    columns: names,
    values,
    masked,
    scales: canvas.map(() => scale),
    theme,
    signs: signsOf(trace, theme),
    rules: Array.from({ length: Math.ceil(width / block) - 1 }, (_, i) => (i + 1) * block),
  };
}

function signsOf({ canvas }: Trace, theme: Theme): NonNullable<Matrix["signs"]> {
  const scale = sequential(1, theme);
  const inkAt = (confidence: number | null) =>
    confidence === null ? inkOf(theme) : inkOn(scale.colour(confidence));
  return canvas.flatMap(({ index, commits, near_misses, positions, confidences }) => [
    ...commits.map(({ position, reason, confidence }) => ({
      row: index,
      column: position,
      glyph: REASONS[reason].glyph,
      ink: inkAt(confidence),
    })),
    ...near_misses.map((position) => ({
      row: index,
      column: position,
      glyph: NEAR_MISS.glyph,
      ink: inkAt(confidences[positions.indexOf(position)] ?? null),
    })),
  ]);
}

function sentence(trace: Trace, { row, column }: CellAt): string {
  const step = trace.canvas[row];
  const at = step?.positions.indexOf(column) ?? -1;
  const commit = step?.commits.find(({ position }) => position === column);
  const place = `step ${fromOne(row)}, position ${fromOne(column)}`;
  if (!step || (at < 0 && !commit)) {
    const done = commitSteps(trace).get(column);
    const word =
      done && done.step < row ? `committed in step ${fromOne(done.step)}` : "block not started";
    return `${place}: ${word}`;
  }
  const parts = [`${place}: ${quoted(commit?.text ?? step.texts[at] ?? "")}`];
  if (at >= 0) {
    parts.push(`confidence ${showConfidence(step.confidences[at] ?? 0, step.doubts?.[at])}`);
    parts.push(`entropy ${showNumber(step.entropies[at] ?? 0)} nats`);
  }
  if (commit) parts.push(`committed: ${REASONS[commit.reason].label}`);
  else if (step.near_misses.includes(column)) parts.push("near miss");
  return parts.join(", ");
}

function legendOf(trace: Trace, matrix: Matrix): Legend {
  const scale = matrix.scales[0] ?? sequential(1, matrix.theme);
  return {
    scale,
    unit: "confidence, the probability of the most probable token",
    normalisation: "0 to 1",
    notes: [
      `Glyphs: ${signsText(reasonsOf(trace))}, ${NEAR_MISS.glyph} near miss. Plain grey: committed ` +
        "earlier. Grey check: block not started. Lines: block borders. Frame: step shown above.",
    ],
  };
}

const SHEET_WIDTH = 900;

function sourceOf(trace: Trace, matrix: Matrix, context: ViewContext): FigureSource {
  return {
    table: () => tableOf(trace),
    data: () => ({ decoder: trace.start.label, steps: trace.canvas }),
    svg: () => {
      const title = `${trace.start.label}: steps × positions`;
      const sheet = createSheet(title, matrix.theme, get(context.run));
      const size = drawMatrix(sheet.body, matrix, SHEET_WIDTH);
      const legend = legendOf(trace, matrix);
      const width = Math.max(size.width, 700);
      const key = drawKey(sheet.body, legend, size.height + 4, width);
      return sheet.finish(width, size.height + 4 + key);
    },
  };
}

function tableOf(trace: Trace): Table {
  const rows = trace.canvas.flatMap((step) => {
    const reasons = new Map(step.commits.map(({ position, reason }) => [position, reason]));
    return step.positions.map((position, i): Cell[] => {
      const reason = reasons.get(position);
      const missed = step.near_misses.includes(position);
      return [
        step.index,
        step.block,
        position,
        visible(step.texts[i] ?? ""),
        step.confidences[i] ?? null,
        step.entropies[i] ?? null,
        step.gaps[i] ?? null,
        reason ? REASONS[reason].label : missed ? NEAR_MISS.label : null,
      ];
    });
  });
  return {
    caption: `Every look of ${trace.start.label} at a mask`,
    columns: [
      indexColumn("step"),
      indexColumn("block"),
      indexColumn("position"),
      "token",
      "confidence",
      "entropy",
      "gap",
      "committed",
    ],
    rows,
  };
}
