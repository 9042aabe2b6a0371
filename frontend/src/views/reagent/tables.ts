// The table twins, and the parts of the result that are tables from the start.

import { createFigure, type Figure } from "../../pictures/figure";
import { visible } from "../../pictures/glyphs";
import { indexColumn } from "../../pictures/ordinal";
import { createTable, type Cell, type Table, type TablePicture } from "../../pictures/table";
import type { ViewContext } from "../../view/view";
import { PART, positionState, rowName, scoredText } from "./maps";
import { whenChanged } from "../../view/panel";
import { unitName, type Panel, type Shown } from "./shown";
import type { State } from "./state";

export function mapTable({ state, row, granularity, units }: Shown): Table {
  const unit = unitName(state);
  return {
    caption: `Scores for ${visible(rowName(state, row))}, by ${granularity}`,
    columns: [
      indexColumn(granularity),
      granularity,
      "score",
      "standard error",
      "unit",
      "rank",
      "state",
    ],
    rows: units.map((one) => {
      const scored = one.state === "scored" && state.maps !== null;
      const numbers = scored ? [one.mean, one.error, unit, one.rank] : [null, null, unit, null];
      return [
        one.index,
        visible(scoredText(state, row, one)),
        ...numbers,
        one.partial ? PART : one.state,
      ];
    }),
  };
}

export function matrixTable(state: State, rows: readonly number[]): Table {
  const { maps } = state;
  const cells = rows.flatMap((row) =>
    state.tokens.flatMap((token, position): Cell[][] => {
      if (!maps || positionState(state, row, position) !== "scored") return [];
      const at = row * maps.positions + position;
      const names = [visible(rowName(state, row)), position, visible(token.text)];
      return [[row - 1, ...names, maps.mean[at] ?? null, maps.standardError[at] ?? null]];
    }),
  );
  return {
    caption: "Scores of input tokens for each output token (output −1: the target of the run)",
    columns: [
      indexColumn("output"),
      "output",
      indexColumn("input"),
      "input",
      "score",
      "standard error",
    ],
    rows: cells,
  };
}

export function curveTable({ curves }: State): Table {
  const rows = [...curves.values()].flatMap((curve) =>
    curve.fraction.map((fraction, i): Cell[] => [
      curve.direction,
      curve.label,
      fraction,
      curve.mean[i] ?? null,
      curve.standard_error[i] ?? null,
      curve.area,
      curve.draws,
    ]),
  );
  const columns = ["direction", "order", "share", "p(target)", "standard error", "area", "draws"];
  return { caption: "Faithfulness curves", columns, rows };
}

export function baselineTable({ baselines, tokens }: State): Table {
  const all = [...baselines.values()];
  const agreement = (name: string, of: (at: (typeof all)[number]) => Cell): Cell[] => [
    null,
    name,
    ...all.map(of),
  ];
  return {
    caption: "Baseline scores by token",
    columns: [
      indexColumn("position"),
      "token",
      ...all.map(({ event }) => `${event.label} (${event.unit})`),
    ],
    rows: [
      agreement("Spearman with ReAGent", ({ event }) => event.spearman),
      agreement("overlap of the top tokens", ({ event }) => event.top_overlap),
      agreement("steps of integration", ({ event }) => event.completeness?.steps ?? null),
      agreement("sum − (f(x) − f(baseline))", ({ event }) => event.completeness?.remainder ?? null),
      ...tokens.map((token, i) => [
        i,
        visible(token.text),
        ...all.map(({ scores }) => scores[i] ?? null),
      ]),
    ],
  };
}

export function softTable({ soft }: State): Table {
  return {
    caption: "Soft-NS and Soft-NC, ln of the ratio to random scores",
    columns: ["map", "Soft-NS", "Soft-NC", "Soft-NS matched", "Soft-NC matched", "draws"],
    rows: [...soft.values()].map((one) => [
      one.label,
      one.soft_ns,
      one.soft_nc,
      one.soft_ns_matched,
      one.soft_nc_matched,
      one.draws,
    ]),
  };
}

export function convergenceTable(state: State): Table {
  const rows = [...state.convergence.values()].map((one): Cell[] => {
    const converged = one.converged.filter(Boolean).length;
    const mean = one.steps.reduce((a, b) => a + b, 0) / (one.steps.length || 1);
    const longest = Math.max(0, ...one.steps);
    const name = visible(rowName(state, one.row));
    return [name, one.steps.length, converged, mean, longest, one.over];
  });
  return {
    caption: "Convergence of the probes of the paper's estimator",
    columns: ["output", "probes", "converged", "mean steps", "most steps", "mean over"],
    rows,
  };
}

interface TablePanel {
  figure: Figure;
  table: TablePicture;
  read(state: State): Table;
  note(state: State): string;
}

const SOFT_NOTE =
  "Higher is more faithful. Sharpness alone changes Soft-NC by over 4 nats, so compare the matched " +
  "columns, whose random scores have the same entropy as the map.";

/** Soft measures and convergence: tables without a picture. */
export function createTables(root: HTMLElement, context: ViewContext): Panel {
  const panel = (
    title: string,
    stem: string,
    read: TablePanel["read"],
    note: TablePanel["note"],
  ): TablePanel => {
    const figure = createFigure(root, title, stem, context);
    return { figure, table: createTable(figure.body), read, note };
  };
  const panels = [
    panel("Soft-NS and Soft-NC", "soft", softTable, () => SOFT_NOTE),
    panel("Convergence", "convergence", convergenceTable, convergenceNote),
  ];
  let latest: State | null = null;
  const renderAll = () => {
    for (const { figure, table, read, note } of panels) {
      const data = latest && read(latest);
      if (!latest || !data?.rows.length) continue;
      figure.update({ table: () => data, data: () => data, svg: null });
      table.render(data);
      figure.legend.textContent = note(latest);
    }
  };
  const ingredients = ({ state }: Shown) => [state.soft, state.convergence];
  return {
    render: whenChanged(ingredients, ({ state }) => {
      latest = state;
      renderAll();
    }),
    destroy() {
      for (const { figure } of panels) figure.destroy();
    },
  };
}

function convergenceNote({ convergence }: State): string {
  const gaveUp = [...convergence.values()].filter((one) => one.over === "all");
  return gaveUp.length
    ? "If no probe converged, the mean is over all probes; these scores are unreliable."
    : "Scores are means over converged probes.";
}
