// Graphs of segments: cycles, rounds, and the edges of presets.

import type { Documents, Edge, Segment } from "./documents";

/** Ids that read each id. */
type Readers = ReadonlyMap<string, readonly string[]>;

/** The ids along the shortest way, both ends included; null: there is none. */
function pathOf(readers: Readers, from: string, to: string): string[] | null {
  const before = new Map<string, string | null>([[from, null]]);
  for (const id of before.keys()) {
    if (id === to) return wayTo(before, to);
    for (const reader of readers.get(id) ?? []) {
      if (!before.has(reader)) before.set(reader, id);
    }
  }
  return null;
}

function wayTo(before: ReadonlyMap<string, string | null>, end: string): string[] {
  const path: string[] = [];
  for (let id: string | null = end; id !== null; id = before.get(id) ?? null) path.unshift(id);
  return path;
}

/** The edges in their order without those that close a cycle, and the first of the cycles. */
function parted(edges: readonly Edge[]): { kept: Edge[]; cycle: string[] | null } {
  const readers = new Map<string, string[]>();
  const kept: Edge[] = [];
  let cycle: string[] | null = null;
  for (const { source, target } of edges) {
    const back = pathOf(readers, target, source);
    if (back) {
      cycle ??= [source, ...back];
      continue;
    }
    kept.push({ source, target });
    readers.set(source, [...(readers.get(source) ?? []), target]);
  }
  return { kept, cycle };
}

/** A cycle as ids in the order of its edges, its first again at the end; null: there is none. */
export const cycleOf = (edges: readonly Edge[]) => parted(edges).cycle;

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
  top_m: "The m best are sources; all others attend to them",
  chains: "The next three attend to the best, all others to these three",
  star: "The best attends to all others",
  none: "No edges",
  all: "Every segment attends to all before it",
};

/** Best score first; without scores, and among equal ones, in the given order. */
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
