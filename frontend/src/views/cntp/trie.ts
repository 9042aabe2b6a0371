// The prefix tree of a branch point's trials: common prefixes are merged.

import type { Fan, TrialPath } from "../decoding/traces";

export interface TrieToken {
  id: number;
  text: string;
  /** ln q, warped. */
  logprob: number;
}

/** A stretch of tokens that the same trials share, up to where they part or end. */
export interface TrieSegment {
  tokens: TrieToken[];
  /** Trials that go through it. */
  trials: number[];
  /** Trials whose last token is its last. */
  ends: number[];
  children: TrieSegment[];
  /** Whether the winner goes through it. */
  winning: boolean;
  /** Line of the picture, from 0; the winner's are all 0. */
  row: number;
}

interface Node {
  token: TrieToken | null;
  trials: number[];
  ends: number[];
  children: Map<number, Node>;
}

const node = (token: TrieToken | null): Node => ({
  token,
  trials: [],
  ends: [],
  children: new Map(),
});

/** The tree's first segments; rows are numbered from the top, the winner's branch first. */
export function trieOf({ branchPoint, paths }: Fan): TrieSegment[] {
  const root = node(null);
  paths.forEach((path, trial) => insert(root, path, trial));
  const roots = partsOf(root, branchPoint?.winner ?? -1);
  let rows = 0;
  const place = (segment: TrieSegment) => {
    segment.row = rows;
    if (segment.children.length === 0) rows += 1;
    for (const child of segment.children) place(child);
  };
  for (const segment of roots) place(segment);
  return roots;
}

function insert(root: Node, path: TrialPath, trial: number): void {
  let at = root;
  path.ids.forEach((id, i) => {
    const token = { id, text: path.texts[i] ?? "", logprob: path.logprobs[i] ?? 0 };
    const next = at.children.get(id) ?? node(token);
    at.children.set(id, next);
    next.trials.push(trial);
    at = next;
  });
  if (at !== root) at.ends.push(trial);
}

/** Children as segments, the winner's first, then those of most trials. */
function partsOf({ children }: Node, winner: number): TrieSegment[] {
  const parts = [...children.values()].map((child) => segmentOf(child, winner));
  return parts.sort(
    (a, b) => Number(b.winning) - Number(a.winning) || b.trials.length - a.trials.length,
  );
}

function segmentOf(first: Node, winner: number): TrieSegment {
  const tokens: TrieToken[] = [];
  let last = first;
  for (;;) {
    if (last.token) tokens.push(last.token);
    const [only, second] = last.children.values();
    if (!only || second || last.ends.length > 0) break;
    last = only;
  }
  const { trials, ends } = last;
  const own = { tokens, trials, winning: trials.includes(winner), row: 0 };
  const children = partsOf(last, winner);
  if (children.length === 0) return { ...own, ends, children };
  return { ...own, ends: [], children: withEnd(children, ends, winner) };
}

/** Trials that end where others go on get a line of their own. */
function withEnd(children: TrieSegment[], ends: number[], winner: number): TrieSegment[] {
  if (ends.length === 0) return children;
  const winning = ends.includes(winner);
  const end = { tokens: [], trials: ends, ends, children: [], winning, row: 0 };
  return winning ? [end, ...children] : [...children, end];
}

export function* segments(roots: readonly TrieSegment[]): Generator<TrieSegment> {
  for (const segment of roots) {
    yield segment;
    yield* segments(segment.children);
  }
}

/** Distinct nodes, as the event of the branch point counts them. */
export const nodesOf = (roots: readonly TrieSegment[]): number =>
  [...segments(roots)].reduce((sum, { tokens }) => sum + tokens.length, 0);
