// What all panels are drawn from: the run's state and what the user chose to see of it.

import { get } from "svelte/store";
import { limitOf, sequential, type ColourScale } from "../../pictures/colour";
import { supportScale } from "../../pictures/support";
import type { Panel as AnyPanel } from "../../view/panel";
import type { Theme } from "../../base/theme";
import type { ViewContext } from "../../view/view";
import { asGranularity, rowOfTarget, unitsOf, type Granularity, type Unit } from "./maps";
import type { State } from "./state";

export interface Shown {
  state: State;
  theme: Theme;
  granularity: Granularity;
  row: number;
  units: Unit[];
  scale: ColourScale;
}

export type Panel = AnyPanel<Shown>;

export function readShown(state: State, context: ViewContext): Shown {
  const theme = get(context.theme);
  const granularity = asGranularity(context.state.get("granularity"));
  const row = rowOfTarget(context.state.get("target"), state);
  const units = unitsOf(state, row, granularity);
  return { state, theme, granularity, row, units, scale: scaleOf(state, units, theme) };
}

export function scaleOf(state: State, units: readonly Unit[], theme: Theme): ColourScale {
  const limit = limitOf(units.filter((unit) => unit.state === "scored").map((unit) => unit.mean));
  return signed(state) ? supportScale(limit, theme, "present") : sequential(limit, theme);
}

/** Standard errors below which a score's fill is drawn faint. */
export const FAINT_ERRORS = 2;
export const FAINT_WORDS = `Faint: a score within ${FAINT_ERRORS} standard errors of 0.`;

/** Whether a score is indistinguishable from 0; the paper's shares are always above it. */
export const isFaint = (state: State, mean: number, error: number) =>
  signed(state) && Math.abs(mean) < FAINT_ERRORS * error;

/** The paper's scores are shares; those of the other forms have a sign. */
export const signed = (state: State) => state.maps?.event.estimator !== "paper";

export const unitName = (state: State) => state.maps?.event.unit ?? "";
