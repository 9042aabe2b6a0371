// A canvas after one step: the token at each position and the reason it was committed.

import type { CanvasStep, Commit } from "../../gen/local_leap";
import type { Trace } from "../decoding/traces";

export interface Place {
  position: number;
  block: number;
  /** written: committed before; fresh: in this step; waiting: looked at; closed: not yet. */
  state: "written" | "fresh" | "waiting" | "closed";
  text: string;
  confidence: number | null;
  /** ln(1 − confidence); null in older traces. */
  doubt: number | null;
  commit: Commit | null;
  /** Number of the step that wrote it, from 0. */
  step: number | null;
  nearMiss: boolean;
  /** Inside the neighbourhood of an anchor of this step. */
  near: boolean;
}

export const blockOf = (trace: Trace, position: number): number =>
  Math.floor(position / (trace.start.block ?? trace.start.length));

/** Every position of the canvas after step `at`. */
export function momentOf(trace: Trace, at: number): Place[] {
  const step = trace.canvas[at];
  const places = Array.from({ length: trace.start.length }, (_, position) =>
    closed(trace, position),
  );
  if (step)
    for (const place of waiting(step)) Object.assign(placeAt(places, place.position), place);
  for (const earlier of trace.canvas.slice(0, at + 1)) {
    for (const commit of earlier.commits) {
      const place = placeAt(places, commit.position);
      const { text, confidence } = commit;
      const doubt = doubtOf(earlier, commit.position);
      const state = earlier.index === at ? "fresh" : "written";
      Object.assign(place, { state, text, confidence, doubt, commit, step: earlier.index });
    }
  }
  return places;
}

/** ln(1 − confidence) of what a step saw at a position; null in older traces. */
export const doubtOf = ({ positions, doubts }: CanvasStep, position: number): number | null =>
  doubts?.[positions.indexOf(position)] ?? null;

function placeAt(places: Place[], position: number): Place {
  const place = places[position];
  if (!place) throw new Error(`There is no position ${position} on this canvas.`);
  return place;
}

function closed(trace: Trace, position: number): Place {
  return {
    position,
    block: blockOf(trace, position),
    state: "closed",
    text: "",
    confidence: null,
    doubt: null,
    commit: null,
    step: null,
    nearMiss: false,
    near: false,
  };
}

function waiting(step: CanvasStep): Pick<Place, "position">[] {
  const missed = new Set(step.near_misses);
  const isNear = (position: number) =>
    step.neighbourhood.some(([first = 0, last = -1]) => first <= position && position <= last);
  return step.positions.map((position, i) => ({
    position,
    state: "waiting",
    text: step.texts[i] ?? "",
    confidence: step.confidences[i] ?? null,
    doubt: doubtOf(step, position),
    nearMiss: missed.has(position),
    near: isNear(position),
  }));
}

/** Number of the step that committed each position; absent where it is still masked. */
export function commitSteps({ canvas }: Trace): Map<number, { step: number; commit: Commit }> {
  return new Map(
    canvas.flatMap(({ index, commits }) =>
      commits.map((commit) => [commit.position, { step: index, commit }] as const),
    ),
  );
}
