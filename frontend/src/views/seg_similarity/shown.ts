// What all panels are drawn from: the run's state and what the user chose to see of it.

import { get } from "svelte/store";
import type { Numbers } from "../../arrays";
import type { AnswerToken, ArrayRef } from "../../gen/seg_similarity";
import type { Grid } from "../../pictures/heat";
import type { Shelf } from "../../shelf";
import type { Theme } from "../../theme";
import type { ViewContext } from "../../view";
import type { State } from "./state";

export const SCORES = ["dot", "cosine", "centred", "z-scored"] as const;
export type Score = (typeof SCORES)[number];
export const READS = ["predicts", "at"] as const;
export type Reads = (typeof READS)[number];
export const TOKEN = "token";
export const CELL = "cell";
const OPACITY = 0.65;

export interface Measures {
  auc: number;
  iou: number;
  pointing: number;
}

export interface Shown {
  state: State;
  theme: Theme;
  token: AnswerToken | null;
  score: Score;
  reads: Reads;
  layer: number;
  layers: number;
  opacity: number;
  grid: Grid;
  /** The picture's address; null until it is there. */
  picture: string | null;
  mask: Numbers | null;
  truth: Numbers | null;
  /** [S, L + 1, P] and [M, S, L + 1] of the token that is shown. */
  scores: Numbers | null;
  measures: Numbers | null;
}

/** A part of the view: renders from what is shown, and marks what is selected. */
export interface Panel {
  render(shown: Shown): void;
  mark?(): void;
  destroy(): void;
}

export function readShown(state: State, context: ViewContext, shelf: Shelf): Shown {
  const { scene, tokens, mask } = state;
  const layers = tokens?.layers ?? 1;
  const token = tokenShown(state, context);
  const reads = readsOf(context);
  const map = token && state.maps.get(readPosition(token.position, reads));
  const array = (ref: ArrayRef | null | undefined) =>
    ref ? shelf(ref.sha256, () => context.arrays(ref)) : null;
  return {
    state,
    theme: get(context.theme),
    token,
    reads,
    score: scoreOf(context),
    layer: layerOf(context, layers),
    layers,
    opacity: opacityOf(context),
    grid: { rows: tokens?.rows ?? 1, columns: tokens?.columns ?? 1 },
    picture: scene && shelf(scene.picture.sha256, () => context.pictures(scene.picture)),
    mask: array(mask?.mask),
    truth: array(scene?.truth),
    scores: array(map?.scores),
    measures: array(map?.measures),
  };
}

/** The position whose state is compared with the patches. */
export const readPosition = (position: number, reads: Reads) =>
  Math.max(0, position - (reads === "predicts" ? 1 : 0));

/** The scores of one layer, [P]. */
export function mapAt({ scores, score, grid, layers }: Shown, layer: number): Numbers | null {
  const patches = grid.rows * grid.columns;
  const start = (SCORES.indexOf(score) * layers + layer) * patches;
  return scores && scores.subarray(start, start + patches);
}

export function measuresAt(shown: Shown, layer: number, score = shown.score): Measures | null {
  const { measures, layers } = shown;
  if (!measures) return null;
  const at = (measure: number) =>
    measures[(measure * SCORES.length + SCORES.indexOf(score)) * layers + layer] ?? 0;
  return { auc: at(0), iou: at(1), pointing: at(2) };
}

/** The layer whose map tells the thing from the rest best; null without a truth. */
export function bestLayer(shown: Shown): number | null {
  let best: number | null = null;
  for (let layer = 0; layer < shown.layers; layer++) {
    const auc = measuresAt(shown, layer)?.auc;
    if (auc === undefined) return null;
    if (best === null || auc > (measuresAt(shown, best)?.auc ?? 0)) best = layer;
  }
  return best;
}

export function layerName(layer: number, layers: number): string {
  if (layer === 0) return "embeddings";
  return layer === layers - 1 ? `${layer}, final norm` : String(layer);
}

/** Of the address, else of the run's params, else the default. */
function chosen(context: ViewContext, name: string): unknown {
  const { params, defaults } = get(context.run);
  return context.state.get(name) ?? params[name] ?? defaults[name];
}

function tokenShown({ tokens }: State, context: ViewContext): AnswerToken | null {
  const asked = context.state.get("token");
  const all = tokens?.tokens ?? [];
  const wanted = all.find((token) => String(token.position) === asked);
  return wanted ?? all.find((token) => token.position === tokens?.query) ?? null;
}

function readsOf(context: ViewContext): Reads {
  return chosen(context, "reads") === "at" ? "at" : "predicts";
}

function scoreOf(context: ViewContext): Score {
  const name = String(chosen(context, "score") ?? "").replace("_", "-");
  return SCORES.find((score) => score === name) ?? "dot";
}

function layerOf(context: ViewContext, layers: number): number {
  const layer = Number(chosen(context, "layer") ?? -1);
  return Number.isInteger(layer) && layer >= 0 && layer < layers ? layer : layers - 1;
}

function opacityOf(context: ViewContext): number {
  const opacity = Number(context.state.get("opacity") ?? NaN);
  return opacity >= 0 && opacity <= 1 ? opacity : OPACITY;
}
