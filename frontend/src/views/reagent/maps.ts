// Rows of the map at three granularities: sums of scores that are there, no new run.

import type { Numbers } from "../../net/arrays";
import type { Token } from "../../gen/reagent";
import type { Maps, State } from "./state";

export const GRANULARITIES = ["token", "word", "sentence"] as const;
export type Granularity = (typeof GRANULARITIES)[number];

export type UnitState = "scored" | "masked" | "outside";

/** A token, word or sentence with its score for one output token. */
export interface Unit {
  index: number;
  positions: number[];
  text: string;
  state: UnitState;
  /** Only its part before the target was read: `mean` sums that part alone. */
  partial: boolean;
  mean: number;
  /** Of a part: that of the whole unit, which is no smaller. */
  error: number;
  /** 1: the highest score; null without a score. */
  rank: number | null;
}

export function asGranularity(text: string | null): Granularity {
  return GRANULARITIES.find((one) => one === text) ?? "token";
}

/** Text of positions; a token that adds no text is shown as its vocabulary entry. */
export function textOf({ tokens }: State, positions: readonly number[]): string {
  const text = positions.map((position) => tokens[position]?.text ?? "").join("");
  return text || positions.map((position) => tokens[position]?.piece ?? "").join("");
}

/** Units of the whole context, in order, scored for a row of the maps. */
export function unitsOf(state: State, row: number, granularity: Granularity): Unit[] {
  const groups = groupsOf(state.tokens, granularity);
  const units = groups.map((positions, index) => unitOf(state, row, granularity, positions, index));
  return ranked(units);
}

export function groupsOf(tokens: readonly Token[], granularity: Granularity): number[][] {
  if (granularity === "token") return tokens.map((_, position) => [position]);
  const groups: number[][] = [];
  tokens.forEach((token, position) => (groups[token[granularity]] ??= []).push(position));
  return Array.from(groups, (group) => group ?? []);
}

function unitOf(
  state: State,
  row: number,
  granularity: Granularity,
  positions: number[],
  index: number,
): Unit {
  const text = textOf(state, positions);
  const states = positions.map((position) => positionState(state, row, position));
  const whole = joined(states);
  const partial = whole === "scored" && states.includes("outside");
  const unit = { index, positions, text, state: whole, partial, mean: 0, error: 0, rank: null };
  const { maps } = state;
  if (!maps || unit.state !== "scored") return unit;
  const scored = positions.filter((_, i) => states[i] === "scored");
  const mean = scored.reduce(
    (sum, position) => sum + at(maps.mean, maps.positions, row, position),
    0,
  );
  return { ...unit, mean, error: errorOf(maps, row, granularity, index) };
}

/**
 * A group is scored where any of its tokens is: the target cuts a sentence in two, and its part
 * before the target counts. Protected tokens are never replaced, so its sum is over the others.
 */
function joined(states: readonly UnitState[]): UnitState {
  if (states.includes("scored")) return "scored";
  return states.includes("outside") ? "outside" : "masked";
}

export function positionState(state: State, row: number, position: number): UnitState {
  const valid = state.maps?.event.valid[row] ?? 0;
  if (position >= valid) return "outside";
  return state.tokens[position]?.protected ? "masked" : "scored";
}

function errorOf(maps: Maps, row: number, granularity: Granularity, index: number): number {
  if (granularity === "word") return at(maps.wordError, maps.words, row, index);
  if (granularity === "sentence") return at(maps.sentenceError, maps.sentences, row, index);
  return at(maps.standardError, maps.positions, row, index);
}

const at = (array: Numbers, width: number, row: number, column: number) =>
  array[row * width + column] ?? 0;

function ranked(units: Unit[]): Unit[] {
  const order = units.filter((unit) => unit.state === "scored").sort((a, b) => b.mean - a.mean);
  const ranks = new Map(order.map((unit, i) => [unit.index, i + 1]));
  return units.map((unit) => ({ ...unit, rank: ranks.get(unit.index) ?? null }));
}

export const PART = "part before the target";

/** Text of what was scored: of a unit that the target cuts, the part before it. */
export const scoredText = (state: State, row: number, { positions, partial }: Unit): string =>
  textOf(
    state,
    partial ? positions.filter((p) => positionState(state, row, p) !== "outside") : positions,
  );

/** Unit that each position belongs to. */
export function unitAt(units: readonly Unit[], position: number): Unit | undefined {
  return units.find((unit) => unit.positions.includes(position));
}

/** Row 0 is the run's target; row t + 1 is output token t. */
export function rowOfTarget(target: string | null, state: State): number {
  const count = state.output?.steps.length ?? 0;
  const output = target === null || target === "run" ? NaN : Number(target);
  return Number.isInteger(output) && output >= 0 && output < count ? output + 1 : 0;
}

/** Positions that a row explains. */
export function targetPositions({ output }: State, row: number): number[] {
  if (!output) return [];
  const { steps, target_start, target_length } = output;
  const chosen =
    row === 0 ? steps.slice(target_start, target_start + target_length) : [steps[row - 1]];
  return chosen.flatMap((step) => (step ? [step.position] : []));
}

/** Name of a row: its tokens, and the contrast token if there is one. */
export function rowName(state: State, row: number): string {
  const text = textOf(state, targetPositions(state, row));
  const contrast = row === 0 ? state.output?.contrast : null;
  return contrast ? `${text} not ${contrast.text}` : text;
}
