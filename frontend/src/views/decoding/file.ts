// Traces as a file: written from a run's events, read back with every claim checked.

import definitions from "../../gen/trace.json";
import { misfit, type Definitions } from "./schema";
import { contradiction } from "./contradiction";
import {
  EMPTY,
  withEvent,
  type RunEvent,
  type Trace,
  type TraceEvent,
  type TrialPath,
  type Traces,
} from "./traces";

export const FORMAT = "glassbench.trace";
export const VERSION = 1;
export const LONGEST_FILE = 256 * 2 ** 20;

/** Why a file cannot be shown, and what can be done about it. */
export class BadTrace extends Error {
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}

/** A document as `manage.py trace export` writes it. */
export function writeTraces(events: Iterable<RunEvent>): string {
  const kept = [...events].filter(({ kind }) => kind in KINDS);
  return JSON.stringify({ format: FORMAT, version: VERSION, events: kept });
}

const KINDS: Record<string, string> = definitions.kinds;
const SCHEMAS = definitions.$defs as unknown as Definitions;
const OTHER_KINDS = ["progress", "model", "omitted"]; // of a run, and no part of its traces
const AGAIN = "Export the trace again; do not edit it by hand.";

/** Events of a document, or of an events.jsonl. Throws BadTrace. */
export function readTraces(text: string): TraceEvent[] {
  const events = objectsOf(text)
    .map((raw, i) => checked(raw, i))
    .filter((event) => event !== null);
  let state = EMPTY;
  events.forEach((event, i) => {
    const wrong = contradiction(state, event);
    if (wrong) throw new BadTrace(`Event ${i} (${event.kind}): ${wrong}.`, AGAIN);
    state = withEvent(state, event);
  });
  if (state.traces.length === 0) {
    throw new BadTrace("The file holds no trace.", "Choose the file of a decoding run.");
  }
  return events;
}

function objectsOf(text: string): unknown[] {
  const lines = text.split("\n").filter((line) => line.trim());
  const first = parsed(lines[0] ?? "", false);
  if (isRecord(first) && "kind" in first) return lines.map((line) => parsed(line, true));
  return listOf(parsed(text, true));
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

function parsed(text: string, needed: boolean): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!needed) return null;
    const reason = error instanceof Error ? error.message.slice(0, 120) : "";
    throw new BadTrace(`The file is not valid JSON: ${reason}.`, "Choose an exported trace.");
  }
}

function listOf(document: unknown): unknown[] {
  const { format, version, events } = isRecord(document) ? document : {};
  if (format !== FORMAT || !Array.isArray(events)) {
    throw new BadTrace(
      `The file's format is ${short(format)}; ${FORMAT} is needed.`,
      "Choose an exported trace, or the events.jsonl of a decoding run.",
    );
  }
  if (version !== VERSION) {
    throw new BadTrace(
      `The trace's version is ${short(version)}; this page reads ${VERSION}.`,
      "Open it with the version of Glassbench that wrote it.",
    );
  }
  return events;
}

const short = (value: unknown) => (JSON.stringify(value) ?? "missing").slice(0, 60);

function checked(raw: unknown, number: number): TraceEvent | null {
  const kind = isRecord(raw) ? raw.kind : undefined;
  if (typeof kind === "string" && OTHER_KINDS.includes(kind)) return null;
  const schema =
    typeof kind === "string" && Object.hasOwn(KINDS, kind) && SCHEMAS[KINDS[kind] ?? ""];
  if (!schema) throw new BadTrace(`Event ${number}: its kind is ${short(kind)}.`, AGAIN);
  const found = misfit(raw, schema, SCHEMAS);
  if (found !== null) throw new BadTrace(`Event ${number} (${kind})${found}.`, AGAIN);
  return raw as TraceEvent;
}

/** The events that the traces are made of, in the order of a run. */
export function* eventsOf({ prompt, traces }: Traces): Generator<TraceEvent> {
  const { ids, texts } = prompt;
  yield stretch({ kind: "prompt_tokens", start: 0, total: ids.length }, ids, texts);
  for (const trace of traces) yield* traceEvents(trace);
}

function* traceEvents(trace: Trace): Generator<TraceEvent> {
  const { start, steps, canvas, fans, output, delayedDecoding, end } = trace;
  yield start;
  for (const step of steps) {
    yield step;
    const fan = fans.get(step.index);
    for (const [trial, path] of (fan?.paths ?? []).entries()) {
      const at = { trace: start.trace, index: step.index, trial, start: 0 };
      yield { kind: "trial_tokens", ...at, ...columnsOf(path) };
    }
    if (fan?.branchPoint) yield fan.branchPoint;
  }
  yield* canvas;
  if (delayedDecoding) yield delayedDecoding;
  if (output) {
    const { ids, texts } = output;
    const at = { kind: "output_tokens", trace: start.trace, start: 0, total: ids.length } as const;
    yield stretch(at, ids, texts);
  }
  if (end) yield end;
}

const stretch = <Head>(head: Head, ids: readonly number[], texts: readonly string[]) => ({
  ...head,
  ids: [...ids],
  texts: [...texts],
});

function columnsOf({ ids, texts, logprobs, logprobs_raw, entropies, ranks }: TrialPath) {
  return { ids, texts, logprobs, logprobs_raw, entropies, ranks };
}
