import type { Run } from "../net/api";

/** One or two words for a run's state, cached runs named as such. */
export function statusWord(run: Run): string {
  if (run.status === "queued" && run.position) return `queued (${run.position})`;
  if (run.status === "cancelled") return "stopped";
  return run.status === "done" && run.cached_from ? "done, cached" : run.status;
}
