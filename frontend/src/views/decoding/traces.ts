// What the events of a decoding run add up to: the prompt, and one trace per decoder.

import type { Fork, MethodEvent as TokenEvent, TokenStep, TrialTokens } from "../../gen/cntp";
import type { ModelLoaded, Omitted, Progress } from "../../gen/common";
import type {
  CanvasStep,
  Delays,
  MethodEvent as CanvasEvent,
  OutputTokens,
  PromptTokens,
  TraceEnd,
  TraceStart,
} from "../../gen/local_leap";

export type RunEvent = TokenEvent | CanvasEvent;
export type TraceEvent = Exclude<RunEvent, Progress | ModelLoaded | Omitted>;

/** The tokens of a trial, or of any stretch of text: entry i of each list is token i. */
export type TrialPath = Pick<
  TrialTokens,
  "ids" | "texts" | "logprobs" | "logprobs_raw" | "entropies" | "ranks"
>;

/** A branch point with its trials' tokens, by number; `branchPoint` is null while they are being drawn. */
export interface Fan {
  branchPoint: Fork | null;
  paths: readonly TrialPath[];
}

export interface Text {
  ids: readonly number[];
  texts: readonly string[];
}

export interface Trace {
  start: TraceStart;
  /** Looks at the next token; empty on a canvas. */
  steps: readonly TokenStep[];
  /** By the number of the step that branches. */
  fans: ReadonlyMap<number, Fan>;
  /** Looks at a canvas; empty where text is written from left to right. */
  canvas: readonly CanvasStep[];
  /** The text as it stood at the end; null before. */
  output: Text | null;
  delayedDecoding: Delays | null;
  end: TraceEnd | null;
}

export interface Traces {
  prompt: Text;
  traces: readonly Trace[];
}

export const EMPTY: Traces = { prompt: { ids: [], texts: [] }, traces: [] };

export function withEvent(state: Traces, event: RunEvent): Traces {
  switch (event.kind) {
    case "prompt_tokens":
      return { ...state, prompt: withText(state.prompt, event) };
    case "trace_start":
      return { ...state, traces: put(state.traces, event.trace, begun(event)) };
    case "progress":
    case "omitted":
    case "model":
      return state; // shown by the page, not by the view
    default:
      return changeTrace(state, event.trace, (trace) => withTraceEvent(trace, event));
  }
}

type Later = Exclude<TraceEvent, PromptTokens | TraceStart>;

function begun(start: TraceStart): Trace {
  const empty = {
    steps: [],
    fans: new Map(),
    canvas: [],
    output: null,
    delayedDecoding: null,
    end: null,
  };
  return { start, ...empty };
}

function changeTrace(state: Traces, number: number, change: (trace: Trace) => Trace): Traces {
  const trace = state.traces[number];
  return trace ? { ...state, traces: put(state.traces, number, change(trace)) } : state;
}

function put<Item>(items: readonly Item[], at: number, item: Item): readonly Item[] {
  const copy = [...items];
  copy[at] = item;
  return copy;
}

function withTraceEvent(trace: Trace, event: Later): Trace {
  switch (event.kind) {
    case "step":
      return { ...trace, steps: put(trace.steps, event.index, event) };
    case "trial_tokens":
      return withFan(trace, event.index, (fan) => ({ ...fan, paths: withPath(fan.paths, event) }));
    case "fork":
      return withFan(trace, event.index, (fan) => ({ ...fan, branchPoint: event }));
    case "canvas":
      return { ...trace, canvas: put(trace.canvas, event.index, event) };
    case "output_tokens":
      return { ...trace, output: withText(trace.output, event) };
    case "delays":
      return { ...trace, delayedDecoding: event };
    case "trace_end":
      return { ...trace, end: event };
  }
}

function withText(text: Text | null, part: PromptTokens | OutputTokens): Text {
  const before = text ?? { ids: [], texts: [] };
  return {
    ids: [...before.ids.slice(0, part.start), ...part.ids],
    texts: [...before.texts.slice(0, part.start), ...part.texts],
  };
}

function withFan(trace: Trace, index: number, change: (fan: Fan) => Fan): Trace {
  const fan = trace.fans.get(index) ?? { branchPoint: null, paths: [] };
  return { ...trace, fans: new Map(trace.fans).set(index, change(fan)) };
}

const COLUMNS = ["ids", "texts", "logprobs", "logprobs_raw", "entropies", "ranks"] as const;

function withPath(paths: readonly TrialPath[], part: TrialTokens): readonly TrialPath[] {
  const before = paths[part.trial];
  if (!before || part.start === 0) return put(paths, part.trial, part);
  const joined = COLUMNS.map((column) => [
    column,
    [...(before[column] as unknown[]).slice(0, part.start), ...part[column]],
  ]);
  return put(paths, part.trial, Object.fromEntries(joined) as TrialPath);
}

/** The decoder that the run is about. */
export const mainOf = ({ traces }: Traces): Trace | undefined =>
  traces.find((trace) => trace.start.main) ?? traces[0];

/** Branch points that are decided, in order. */
export function branchPointsOf(trace: Trace): { step: TokenStep; branchPoint: Fork; fan: Fan }[] {
  return trace.steps.flatMap((step) => {
    const fan = trace.fans.get(step.index);
    return fan?.branchPoint ? [{ step, branchPoint: fan.branchPoint, fan }] : [];
  });
}
