// Graphs of segments: cycles, rounds, and the edges that presets stand for.

import type { Documents, Edge, Segment } from "./documents";

/** The ids along the shortest way over edges, both ends included; null: there is none. */
export function pathOf(edges: readonly Edge[], from: string, to: string): string[] | null {
  const before = new Map<string, string | null>([[from, null]]);
  for (const id of before.keys()) {
    if (id === to) return wayTo(before, to);
    for (const { source, target } of edges) {
      if (source === id && !before.has(target)) before.set(target, id);
    }
  }
  return null;
}

function wayTo(before: ReadonlyMap<string, string | null>, end: string): string[] {
  const path: string[] = [];
  for (let id: string | null = end; id !== null; id = before.get(id) ?? null) path.unshift(id);
  return path;
}

/** Splits the edges, in their order, into those without a cycle and those that would close one. */
function parted(edges: readonly Edge[]): { kept: Edge[]; closing: Edge[] } {
  const [kept, closing]: [Edge[], Edge[]] = [[], []];
  for (const edge of edges) {
    (pathOf(kept, edge.target, edge.source) ? closing : kept).push(edge);
  }
  return { kept, closing };
}

/** A cycle as ids in the order of its edges, its first again at the end; null: there is none. */
export function cycleOf(edges: readonly Edge[]): string[] | null {
  const { kept, closing } = parted(edges);
  const [edge] = closing;
  return edge ? [edge.source, ...(pathOf(kept, edge.target, edge.source) ?? [])] : null;
}

/**
 * The round in which each segment is read: 0 without sources, else one more than the latest of its
 * sources. Edges that close a cycle are left out.
 */
export function roundsOf({ segments, edges }: Documents): Map<string, number> {
  const rounds = new Map(segments.map(({ id }) => [id, 0]));
  const { kept } = parted(edges);
  for (let changed = true; changed;) {
    changed = false;
    for (const { source, target } of kept) {
      const round = (rounds.get(source) ?? 0) + 1;
      if (!rounds.has(target) || round <= (rounds.get(target) ?? 0)) continue;
      rounds.set(target, round);
      changed = true;
    }
  }
  return rounds;
}

export const PRESETS = ["top_m", "chains", "star", "none", "all"] as const;
export type Preset = (typeof PRESETS)[number];

export const asPreset = (text: string) => PRESETS.find((preset) => preset === text) ?? null;

export const PRESET_HINTS: Record<Preset, string> = {
  top_m: "The m best are sources, all others read them",
  chains: "The best is read by the next three, these by all others",
  star: "The best reads all others",
  none: "No segment reads another",
  all: "Every segment reads all above it",
};

/** Best score first; without scores, and among equal ones, as they stand. */
export function ranked(segments: readonly Segment[]): Segment[] {
  const worst = Math.min(0, ...segments.map(({ score }) => score ?? 0));
  const place = ({ score }: Segment) => score ?? worst - 1;
  return [...segments].sort((a, b) => place(b) - place(a));
}

const MIDDLE = 3; // segments in the second link of a chain

/** The edges of a preset; `sources` is m of top_m. */
export function presetEdges(segments: readonly Segment[], preset: Preset, sources: number): Edge[] {
  const order = ranked(segments);
  switch (preset) {
    case "top_m":
      return between(order.slice(0, sources), order.slice(sources));
    case "chains": {
      const middle = order.slice(1, 1 + MIDDLE);
      return [...between(order.slice(0, 1), middle), ...between(middle, order.slice(1 + MIDDLE))];
    }
    case "star":
      return between(order.slice(1), order.slice(0, 1));
    case "none":
      return [];
    case "all":
      return segments.flatMap((target, at) => between(segments.slice(0, at), [target]));
  }
}

const between = (sources: readonly Segment[], targets: readonly Segment[]): Edge[] =>
  sources.flatMap(({ id }) => targets.map((target) => ({ source: id, target: target.id })));
