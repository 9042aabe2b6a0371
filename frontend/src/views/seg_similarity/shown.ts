// What all panels are drawn from: the run's state and what the user chose to see of it.

import { get } from "svelte/store";
import type { Numbers } from "../../net/arrays";
import type { AnswerToken, ArrayRef, Mask } from "../../gen/seg_similarity";
import type { Box, Grid } from "../../pictures/heat";
import type { Panel as AnyPanel } from "../../view/panel";
import type { ResourceCache } from "../../view/resourceCache";
import type { Theme } from "../../base/theme";
import type { ViewContext } from "../../view/view";
import type { State } from "./state";

export const SCORES = ["dot", "cosine", "centred", "z-scored", "minus-neutral"] as const;
export type Score = (typeof SCORES)[number];
export const READS = ["predicts", "at"] as const;
export type Reads = (typeof READS)[number];
export const TOKEN = "token";
export const CELL = "cell";
const OPACITY = 0.65;

export interface Measures {
  auc: number;
  iou: number;
  /** With the pixels above the mean and half a standard deviation. */
  iouSigma: number;
  /** With as many of the highest pixels as the truth has. */
  iouArea: number;
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
  /** What the patches divide, in the picture's pixels. */
  frame: Box;
  /** The picture's address; null until it is there. */
  picture: string | null;
  mask: Numbers | null;
  /** The mask that is drawn. */
  masked: Mask | null;
  points: PointShown[];
  /** Whether the map is the one that the points are of. */
  ofPoints: boolean;
  /** Patches drawn by hand, in order. */
  region: number[];
  truth: Numbers | null;
  /** [S, L + 1, P] and [M, S, L + 1] of the token that is shown. */
  scores: Numbers | null;
  measures: Numbers | null;
}

export interface PointShown {
  x: number;
  y: number;
  /** 1 within, 0 outside, -1 undecided. */
  label: number;
}

export type Panel = AnyPanel<Shown>;

export function readShown(state: State, context: ViewContext, resources: ResourceCache): Shown {
  const { scene, tokens } = state;
  const masked = maskShown(state, context);
  const layers = tokens?.layers ?? 1;
  const token = tokenShown(state, context);
  const reads = readsOf(context);
  const map = token && state.maps.get(readPosition(token.position, reads));
  const array = (ref: ArrayRef | null | undefined) =>
    ref ? resources(ref.sha256, () => context.arrays(ref)) : null;
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
    picture: scene && resources(scene.picture.sha256, () => context.pictures(scene.picture)),
    mask: array(masked?.mask),
    masked,
    points: pointsShown(state, context, array),
    ofPoints: ofPoints(state, context, token, layers),
    region: regionOf(context, (tokens?.rows ?? 1) * (tokens?.columns ?? 1)),
    frame: boxOf(tokens?.frame, scene?.picture),
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
  return { auc: at(0), iou: at(1), iouSigma: at(2), iouArea: at(3), pointing: at(4) };
}

/** The layer whose map separates the object best from the rest; null without a ground truth. */
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

export const boxOf = (
  frame: readonly number[] | undefined,
  picture: { width: number; height: number } | undefined,
): Box => {
  const [left = 0, top = 0, width = picture?.width ?? 1, height = picture?.height ?? 1] =
    frame ?? [];
  return [left, top, width, height];
};

function maskShown({ masks }: State, context: ViewContext): Mask | null {
  const asked = context.state.get("mask");
  return masks.find((mask) => mask.source === asked) ?? masks[0] ?? null;
}

function pointsShown(
  { points }: State,
  context: ViewContext,
  array: (ref: ArrayRef | null | undefined) => Numbers | null,
): PointShown[] {
  const labels = array(points?.labels);
  const moved = chosen(context, "continuous") === false ? points?.centres : points?.continuous;
  const places = array(moved);
  if (!labels || !places || context.state.get("points") === "off") return [];
  return Array.from(labels, (label, i) => ({
    label,
    x: places[2 * i] ?? 0,
    y: places[2 * i + 1] ?? 0,
  }));
}

/** Points are of the map that the run's params name. */
function ofPoints(
  { tokens }: State,
  context: ViewContext,
  token: AnswerToken | null,
  layers: number,
): boolean {
  const { params, defaults } = get(context.run);
  const given = (name: string) => params[name] ?? defaults[name];
  const layer = Number(given("layer") ?? -1);
  return (
    token?.position === tokens?.query &&
    readsOf(context) === (given("reads") ?? "predicts") &&
    scoreOf(context) === String(given("score") ?? "dot").replace("_", "-") &&
    layerOf(context, layers) === (layer < 0 ? layers - 1 : layer)
  );
}

/** The patches drawn by hand, else those that the run blanked because they were. */
function regionOf(context: ViewContext, patches: number): number[] {
  const written = context.state.get("region");
  const given = get(context.run).params.region;
  const cells = written === null ? given : written.split(",").filter(Boolean).map(Number);
  if (!Array.isArray(cells)) return [];
  const there = cells.filter((cell) => Number.isInteger(cell) && cell >= 0 && cell < patches);
  return [...new Set(there as number[])].sort((a, b) => a - b);
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
