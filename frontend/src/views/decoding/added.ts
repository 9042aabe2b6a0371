// Traces compared with the run's own: from other runs and from files.

import { momentOf } from "../../base/time";
import type { RunEntry, ViewContext } from "../../view/view";
import { BadTrace, LONGEST_FILE, readTraces } from "./file";
import { EMPTY, withEvent, type RunEvent, type Trace, type Traces } from "./traces";

export interface Added {
  /** Where it comes from, as a user would say it. */
  source: string;
  /** The run that it is part of; null: a file. */
  run: string | null;
  traces: readonly Trace[];
}

export const DECODING = ["cntp", "local_leap"];

export const tracesOf = (events: Iterable<RunEvent>): Traces => {
  let state = EMPTY;
  for (const event of events) state = withEvent(state, event);
  return state;
};

/** Throws BadTrace; also where the prompt is another, since nothing could be compared. */
export async function addFile(file: File, prompt: string): Promise<Added> {
  const { traces } = await openFile(file, prompt);
  return { source: file.name, run: null, traces };
}

export async function openFile(file: File, prompt: string | null): Promise<Traces> {
  if (file.size > LONGEST_FILE) {
    throw new BadTrace(
      `The file has ${file.size.toLocaleString("en")} bytes; at most ${LONGEST_FILE.toLocaleString("en")} can be read.`,
      "Export fewer traces into one file.",
    );
  }
  const traces = tracesOf(readTraces(await file.text()));
  refuseOtherPrompt(traces, prompt);
  return traces;
}

export async function addRun(run: RunEntry, prompt: string, context: ViewContext): Promise<Added> {
  const events = (await context.runs?.events(run.id)) ?? [];
  const traces = tracesOf(events as RunEvent[]);
  refuseOtherPrompt(traces, prompt);
  return { source: nameOf(run), run: run.id, traces: traces.traces };
}

function refuseOtherPrompt({ prompt }: Traces, wanted: string | null): void {
  const given = prompt.texts.join("");
  if (wanted === null || given === wanted) return;
  throw new BadTrace(
    `Its prompt differs: “${given.slice(0, 60)}${given.length > 60 ? "…" : ""}”.`,
    "Only traces of the same prompt can be compared; open this one on its own page.",
  );
}

/** "CNTP, demo-lm, seed 3, 1 forced by you, 11:20". */
export function nameOf({ method, model, params, createdAt }: RunEntry): string {
  const forced = Array.isArray(params.forced) ? params.forced.length : 0;
  const parts = [String(params.decoder ?? method).replaceAll("_", " "), model];
  parts.push(`seed ${String(params.seed ?? 0)}`);
  if (forced) parts.push(`${forced} forced by you`);
  return [...parts, momentOf(createdAt)].join(", ");
}

/** Other runs whose prompt reads the same. */
export function comparable(runs: readonly RunEntry[], id: string, prompt: unknown): RunEntry[] {
  return runs.filter(
    (run) => run.id !== id && DECODING.includes(run.method) && run.params.prompt === prompt,
  );
}
