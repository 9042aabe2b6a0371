// The end of a canvas: dozens of end-of-text tokens after the text's own end.

import type { Trace } from "../decoding/traces";
import { commitSteps } from "./moment";

const WORTH = 4; // tokens; fewer are shown

/**
 * Where nothing but end-of-text follows the first end-of-text token of a finished canvas; the
 * canvas's length where there is no such end, or a short one.
 */
export function tailOf(trace: Trace): number {
  const { length, eos_ids: ends } = trace.start;
  if (!trace.end) return length;
  const commits = commitSteps(trace);
  const isEnd = (position: number) => {
    const id = commits.get(position)?.commit.id;
    return id !== undefined && ends.includes(id);
  };
  let first = length;
  while (first > 0 && isEnd(first - 1)) first -= 1;
  return length - first - 1 >= WORTH ? first + 1 : length;
}
