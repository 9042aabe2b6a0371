// Decisions of the user, and the tree of runs that follow from them.

import type { ForcedToken, ForcedTrial } from "../../gen/cntp";
import type { ForcedCommit } from "../../gen/local_leap";
import type { RunEntry } from "../../view/view";
import { fromOne } from "../../pictures/ordinal";

export type Decision = ForcedToken | ForcedTrial | ForcedCommit;

const isCommit = (decision: Decision): decision is ForcedCommit => "step" in decision;

/** Earlier decisions stay; what came at the new one's place or after it is undone. */
export function withDecision(forced: readonly Decision[], decision: Decision): Decision[] {
  return [...forced.filter((one) => isBefore(one, decision)), decision];
}

function isBefore(one: Decision, other: Decision): boolean {
  if (!isCommit(one) || !isCommit(other)) return one.position < other.position;
  return one.step < other.step || (one.step === other.step && one.position !== other.position);
}

export interface Branch {
  run: RunEntry;
  /** What was decided on top of the run above; empty at the root. */
  added: Decision[];
  children: Branch[];
}

const keyOf = (decision: Decision) =>
  JSON.stringify(Object.entries(decision).sort(([a], [b]) => (a < b ? -1 : 1)));
const forcedOf = ({ params }: RunEntry) => (params.forced ?? []) as Decision[];
const keysOf = (run: RunEntry) => forcedOf(run).map(keyOf);

/** What runs of one tree have in common: all but the decisions, and the decoder they apply to. */
function trunkOf({ method, model, params }: RunEntry): string {
  const kept = Object.entries(params).filter(([name]) => name !== "forced" && name !== "decoder");
  return JSON.stringify([method, model, kept.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/**
 * The trees that hold the current run: it, runs that differ from it in decisions of the user, and the
 * run without any. A run's parent is the one that shares most of its decisions.
 */
export function branchTree(runs: readonly RunEntry[], current: RunEntry): Branch[] {
  const trunk = trunkOf(current);
  const kin = distinct([current, ...runs.filter((run) => trunkOf(run) === trunk)]);
  const branches = new Map(kin.map((run) => [run, { run, added: forcedOf(run), children: [] }]));
  const roots: Branch[] = [];
  for (const [run, branch] of branches as Map<RunEntry, Branch>) {
    const parent = parentOf(run, kin);
    const above = parent && (branches.get(parent) as Branch | undefined);
    if (!above) roots.push(branch);
    else {
      const taken = new Set(keysOf(above.run));
      branch.added = branch.added.filter((decision) => !taken.has(keyOf(decision)));
      above.children.push(branch);
    }
  }
  return roots;
}

/** One run per set of decisions: the earliest. */
function distinct(runs: readonly RunEntry[]): RunEntry[] {
  const seen = new Map<string, RunEntry>();
  for (const run of runs) {
    const key = JSON.stringify([keysOf(run).sort(), keysOf(run).length && run.params.decoder]);
    if (!seen.has(key)) seen.set(key, run);
  }
  return [...seen.values()].sort((a, b) => a.createdAt.localeCompare(b.createdAt));
}

function parentOf(run: RunEntry, kin: readonly RunEntry[]): RunEntry | null {
  const own = new Set(keysOf(run));
  const fits = kin.filter((other) => {
    const theirs = keysOf(other);
    const sameDecoder = theirs.length === 0 || other.params.decoder === run.params.decoder;
    return theirs.length < own.size && sameDecoder && theirs.every((key) => own.has(key));
  });
  return fits.reduce<RunEntry | null>(
    (best, other) => (best && forcedOf(best).length >= forcedOf(other).length ? best : other),
    null,
  );
}

/** "“ cat” at 12", as a sentence's middle. */
export function describe(decision: Decision, textOf: (token: number) => string): string {
  if ("trial" in decision)
    return `trial ${fromOne(decision.trial)} at position ${fromOne(decision.position)}`;
  const token = `“${textOf(decision.token)}” at position ${fromOne(decision.position)}`;
  return isCommit(decision) ? `${token} in step ${fromOne(decision.step)}` : token;
}
