// What a view and its figures know of a run, on the page and in a report alike.

import type { ModelInfo } from "../gen/common";
import type { PageRun } from "../gen/report";
import type { RunFacts } from "./view";

type Recorded = Pick<
  PageRun,
  | "id"
  | "method"
  | "method_version"
  | "model"
  | "revision"
  | "params"
  | "dtype"
  | "started_at"
  | "finished_at"
  | "status"
>;

/** `defaults` are those of the method's params; `cached` says that an identical run was computed earlier. */
export function factsOf(
  run: Recorded,
  info: ModelInfo | null,
  defaults: Record<string, unknown>,
  { cached }: { cached: boolean },
): RunFacts {
  const [from, to] = [run.started_at, run.finished_at];
  return {
    id: run.id,
    method: run.method,
    version: run.method_version,
    model: run.model,
    revision: run.revision ?? info?.revision ?? null,
    params: run.params,
    dtype: run.dtype,
    defaults,
    info,
    finishedAt: to,
    seconds: from && to ? (Date.parse(to) - Date.parse(from)) / 1000 : null,
    status: run.status,
    cached,
  };
}
