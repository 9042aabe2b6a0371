// The text of a trace, token by token, as far as it is written.

import type { TokenStep } from "../../gen/cntp";
import type { Commit } from "../../gen/local_leap";
import type { Fan, Trace } from "./traces";

/** An output token. Numbers are null where nothing was looked at. */
export interface Written {
  position: number;
  id: number;
  text: string;
  /** H of the distribution it was drawn from, nats. */
  entropy: number | null;
  /** ln p under the model alone. */
  logprob: number | null;
  /** Share of the model's belief on a canvas. */
  confidence: number | null;
  /** Number of the step that wrote it. */
  step: number;
  /** Tokens that were appended together, and its place among them. */
  span: number;
  place: number;
  /** Trials that were drawn where it begins; 1: none. */
  trials: number;
  commit: Commit | null;
}

const known = new WeakMap<Trace, readonly Written[]>();

/** In order of position; a canvas has holes where masks are. */
export function writtenOf(trace: Trace): readonly Written[] {
  const found = known.get(trace);
  if (found) return found;
  const drawn = trace.start.family === "diffusion" ? committed(trace) : appended(trace);
  const texts = trace.output?.texts;
  const written = texts
    ? drawn.map((one) => ({ ...one, text: texts[one.position] ?? one.text }))
    : drawn;
  known.set(trace, written);
  return written;
}

export const textOf = (trace: Trace, until = Infinity): string =>
  writtenOf(trace)
    .filter((one) => one.position < until)
    .map((one) => one.text)
    .join("");

function appended(trace: Trace): Written[] {
  return trace.steps.flatMap((step) =>
    step.chosen ? [single(step)] : winnerOf(step, trace.fans.get(step.index)),
  );
}

function single(step: TokenStep): Written {
  return {
    position: step.position,
    id: step.chosen?.id ?? 0,
    text: step.chosen?.text ?? "",
    entropy: step.entropy,
    logprob: step.chosen?.logprob_raw ?? null,
    confidence: null,
    step: step.index,
    span: 1,
    place: 0,
    trials: step.trials,
    commit: null,
  };
}

function winnerOf(step: TokenStep, fan: Fan | undefined): Written[] {
  const path = fan?.branchPoint ? fan.paths[fan.branchPoint.winner] : undefined;
  if (!path) return [];
  const kept = path.ids.slice(0, fan?.branchPoint?.kept);
  return kept.map((id, place) => ({
    position: step.position + place,
    id,
    text: path.texts[place] ?? "",
    entropy: path.entropies[place] ?? null,
    logprob: path.logprobs_raw[place] ?? null,
    confidence: null,
    step: step.index,
    span: kept.length,
    place,
    trials: place === 0 ? step.trials : 1,
    commit: null,
  }));
}

function committed(trace: Trace): Written[] {
  const found = trace.canvas.flatMap((step) =>
    step.commits.map((commit): Written => ({
      position: commit.position,
      id: commit.id,
      text: commit.text,
      entropy: entropyAt(step, commit.position),
      logprob: null,
      confidence: commit.confidence,
      step: step.index,
      span: step.commits.length,
      place: 0,
      trials: 1,
      commit,
    })),
  );
  return found.sort((a, b) => a.position - b.position);
}

function entropyAt(step: Trace["canvas"][number], position: number): number | null {
  const at = step.positions.indexOf(position);
  return at < 0 ? null : (step.entropies[at] ?? null);
}
