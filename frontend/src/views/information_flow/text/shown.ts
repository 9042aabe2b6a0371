// What all panels are drawn from: the run's state and what the user chose to see of it.

import { get } from "svelte/store";
import type { Group, Trace } from "../../../gen/information_flow";
import type { Panel as AnyPanel } from "../../../view/panel";
import { limitOf, sequential, type ColourScale } from "../../../pictures/colour";
import { quoted, visible } from "../../../pictures/glyphs";
import { supportScale } from "../../../pictures/support";
import type { Theme } from "../../../base/theme";
import type { ViewContext } from "../../../view/view";
import type { Edge } from "./edges";
import type { State } from "./state";

export const MEASURES = ["answer", "reader's state"] as const;
export type Measure = (typeof MEASURES)[number];

export const RESTORED = ["residual", "attention", "mlp"] as const;
export type Restored = Trace["restored"];

export interface Shown {
  state: State;
  theme: Theme;
  measure: Measure;
  /** The group whose reading the text is filled with; the target's unless one was chosen. */
  reader: number;
  edges: readonly Edge[];
  restored: Restored;
  /** Layer of the state that is looked at; null: none is chosen. */
  layer: number | null;
  /** τ of the routes; null: as the run had it. */
  tau: number | null;
}

export type Panel = AnyPanel<Shown>;

export function readShown(state: State, edges: readonly Edge[], context: ViewContext): Shown {
  const number = (key: string) => numberOf(context.state.get(key));
  const groups = groupsOf(state).length;
  const reader = number("reader");
  return {
    state,
    theme: get(context.theme),
    measure: context.state.get("measure") === "state" ? "reader's state" : "answer",
    reader: reader !== null && reader < groups ? reader : groups - 1,
    edges,
    restored: RESTORED.find((one) => one === context.state.get("restored")) ?? "residual",
    layer: number("layer"),
    tau: number("tau"),
  };
}

function numberOf(text: string | null): number | null {
  const read = Number(text ?? NaN);
  return Number.isFinite(read) && read >= 0 ? read : null;
}

export const groupsOf = ({ groups }: State): readonly Group[] => groups?.groups ?? [];

export function groupAt(state: State, position: number | null): number | null {
  if (position === null) return null;
  const found = groupsOf(state).findIndex(({ start, end }) => start <= position && position < end);
  return found < 0 ? null : found;
}

export const positionsOf = (state: State, group: number): number[] => {
  const { start = 0, end = 0 } = groupsOf(state)[group] ?? {};
  return Array.from({ length: end - start }, (_, i) => start + i);
};

export const textOf = (state: State, group: number) => groupsOf(state)[group]?.text ?? "";

/** A group's text with what hides made visible. */
export const nameOf = (state: State, group: number) => visible(textOf(state, group));

/** The same within a sentence. */
export const quotedName = (state: State, group: number) => quoted(textOf(state, group));

/** The same on an axis, where an arrow marks the group that predicts the answer. */
export const axisName = (state: State, group: number) =>
  group === groupsOf(state).length - 1 ? `${nameOf(state, group)} →` : nameOf(state, group);

/** Effect of cutting the source from the reader; null: masked, or not measured yet. */
export function effectOf(
  { rows }: State,
  measure: Measure,
  reader: number,
  source: number,
): number | null {
  const row = rows.get(reader);
  const values = measure === "answer" ? row?.delta_logprob : row?.state_change;
  return values?.[source] ?? null;
}

/** Whether an effect is an estimate, because the edge was not cut. */
export const isEstimated = ({ rows }: State, reader: number, source: number): boolean =>
  rows.get(reader)?.exact?.[source] === false;

/** One scale for the whole map, so that rows can be compared. */
export function scaleOf({ state, measure, theme }: Shown): ColourScale {
  const values = [...state.rows.values()].flatMap((row) =>
    measure === "answer" ? row.delta_logprob : row.state_change.map((value) => value ?? 0),
  );
  const limit = limitOf(values);
  return measure === "answer" ? supportScale(limit, theme, "removed") : sequential(limit, theme);
}

export const unitOf = (measure: Measure) =>
  measure === "answer" ? "nats, change of the answer's log-probability" : "1 − cosine";

export const layersOf = (context: ViewContext) => get(context.run).info?.layers ?? 0;
export const headsOf = (context: ViewContext) => get(context.run).info?.heads ?? 0;
