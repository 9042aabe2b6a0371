// The answer that was read in a trace, and whether it is the known one.

import type { TraceEnd } from "../../gen/local_leap";
import { legible } from "../../pictures/glyphs";

/** "answer 5, wrong"; "": none was read, and none is known. */
export function answerText(end: TraceEnd): string {
  const right = rightOf(end);
  const verdict = right === null ? "" : right ? ", right" : ", wrong";
  if (end.answer === null) return right === null ? "" : "no answer, wrong";
  return `answer ${legible(end.answer)}${verdict}`;
}

/** Traces from before it came have none. */
export const rightOf = (end: Partial<TraceEnd>) => end.right ?? null;
