// Whether the events of a trace file fit together, once each of them fits the schema.

import type { Trace, TraceEvent, Traces } from "./traces";
import { writtenOf } from "./written";

/** What in the event goes against those before it, as the end of a sentence. */
export function contradiction(state: Traces, event: TraceEvent): string | null {
  if (event.kind === "prompt_tokens") return follows(state.prompt.ids.length, event);
  if (event.kind === "trace_start") return startContradiction(state, event);
  const trace = state.traces[event.trace];
  if (!trace) return `trace ${event.trace} has not begun`;
  if (trace.end) return `trace ${event.trace} has ended already`;
  return traceContradiction(trace, event);
}

/** No decoder here writes more; pictures of a claimed length would fill the memory. */
const MOST_TOKENS = 16_384;
const MOST_TRIALS = 1024;

function startContradiction(
  { traces }: Traces,
  { trace, length }: Extract<TraceEvent, { kind: "trace_start" }>,
): string | null {
  if (trace !== traces.length) return "traces are not numbered in their order";
  const fits = length >= 0 && length <= MOST_TOKENS;
  return fits ? null : `a length of ${length} tokens; at most ${MOST_TOKENS} can be shown`;
}

type Later = Exclude<TraceEvent, { kind: "prompt_tokens" | "trace_start" }>;

function traceContradiction(trace: Trace, event: Later): string | null {
  switch (event.kind) {
    case "step":
    case "canvas":
      return stepContradiction(trace, event);
    case "trial_tokens":
      return trialContradiction(trace, event);
    case "fork":
      return branchPointContradiction(trace, event);
    case "output_tokens":
      return follows(trace.output?.ids.length ?? 0, event);
    case "delays":
      return null;
    case "trace_end":
      return endContradiction(trace, event);
  }
}

interface Stretch {
  start: number;
  total: number;
  ids: readonly number[];
  texts: readonly string[];
}

function follows(done: number, { start, total, ids, texts }: Stretch): string | null {
  if (start !== done) return `it starts at ${start}, but ${done} tokens came before`;
  if (ids.length !== texts.length) return `it has ${ids.length} ids and ${texts.length} texts`;
  const beyond = start + ids.length > total;
  return beyond ? `its tokens reach beyond the ${total} there are` : null;
}

type Step = Extract<TraceEvent, { kind: "step" | "canvas" }>;

function stepContradiction(trace: Trace, step: Step): string | null {
  const family = step.kind === "canvas" ? "diffusion" : "autoregressive";
  if (trace.start.family !== family) return `a step of a trace that is not ${family}`;
  const before = step.kind === "canvas" ? trace.canvas.length : trace.steps.length;
  if (step.index !== before) return `step ${step.index} follows ${before} steps`;
  if (step.kind === "step") {
    const single = step.decision === "single";
    return single === (step.chosen !== null)
      ? null
      : "a single step must have a token and a branch point must not";
  }
  const { positions, ids, texts, confidences, entropies, gaps, alternatives } = step;
  const doubts = step.doubts ?? positions;
  const columns = [ids, texts, confidences, doubts, entropies, gaps, alternatives];
  if (!columns.every((column) => column.length === positions.length))
    return "its columns differ in length";
  const named = [...positions, ...step.commits.map((commit) => commit.position)];
  const outside = named.find((position) => position < 0 || position >= trace.start.length);
  return outside === undefined ? null : `position ${outside} lies outside the canvas`;
}

function trialContradiction(
  trace: Trace,
  part: Extract<TraceEvent, { kind: "trial_tokens" }>,
): string | null {
  if (part.trial < 0 || part.trial >= MOST_TRIALS) return `there can be no trial ${part.trial}`;
  const done = trace.fans.get(part.index)?.paths[part.trial]?.ids.length ?? 0;
  if (part.start !== done) return `it starts at ${part.start}, but ${done} tokens came before`;
  const columns = [part.texts, part.logprobs, part.logprobs_raw, part.entropies, part.ranks];
  const even = columns.every((column) => column.length === part.ids.length);
  return even ? null : "its columns differ in length";
}

function branchPointContradiction(
  trace: Trace,
  branchPoint: Extract<TraceEvent, { kind: "fork" }>,
): string | null {
  const paths = trace.fans.get(branchPoint.index)?.paths ?? [];
  const lengths = branchPoint.trials.map((_, i) => paths[i]?.ids.length ?? 0);
  const wrong = branchPoint.trials.findIndex((trial, i) => trial.length !== lengths[i]);
  if (wrong >= 0)
    return `trial ${wrong} has ${lengths[wrong]} tokens, not ${branchPoint.trials[wrong]?.length}`;
  return branchPoint.winner in branchPoint.trials
    ? null
    : `there is no trial ${branchPoint.winner}`;
}

function endContradiction(
  trace: Trace,
  end: Extract<TraceEvent, { kind: "trace_end" }>,
): string | null {
  const steps = Math.max(trace.steps.length, trace.canvas.length);
  if (end.steps !== steps) return `it counts ${end.steps} steps of ${steps}`;
  const ids = trace.output?.ids ?? [];
  if (end.length !== ids.length) return `it counts ${end.length} tokens of ${ids.length}`;
  const written = writtenOf(trace).map((one) => one.id);
  const same = written.length === ids.length && written.every((id, i) => id === ids[i]);
  return same ? null : "the steps do not write the output";
}
