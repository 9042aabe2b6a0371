// The edges being chosen: in the address, with undo; the run's own until something is changed.

import { get } from "svelte/store";
import type { ViewContext } from "../../../view/view";
import { changedAt, decode, encode, equalEdges, toggled, type Edge } from "./edges";
import { begin, edit, redone, undone, type History } from "./history";

export interface Edits {
  now(): readonly Edge[];
  /** What this run cut. */
  ran(): readonly Edge[];
  toggle(edges: readonly Edge[]): void;
  change(edge: Edge): void;
  clear(): void;
  undo(): void;
  redo(): void;
  canUndo(): boolean;
  canRedo(): boolean;
}

const KEY = "edges";

export function createEdits(context: ViewContext): Edits {
  const ran = (): readonly Edge[] => edgesOf(get(context.run).params.edges);
  const written = context.state.get(KEY);
  let history: History<readonly Edge[]> = begin(written === null ? ran() : decode(written));

  function go(next: History<readonly Edge[]>): void {
    if (next.now === history.now) return;
    history = next;
    const untouched = equalEdges(next.now, ran());
    context.state.set(KEY, untouched ? null : encode(next.now));
  }

  return {
    now: () => history.now,
    ran,
    toggle(edges) {
      const next = edges.reduce<readonly Edge[]>(toggled, history.now);
      go(edit(history, next));
    },
    change: (edge) => go(edit(history, changedAt(history.now, edge))),
    clear: () => go(edit(history, [])),
    undo: () => go(undone(history)),
    redo: () => go(redone(history)),
    canUndo: () => history.past.length > 0,
    canRedo: () => history.future.length > 0,
  };
}

/** As params hold them: layers and heads may be left out. */
function edgesOf(given: unknown): Edge[] {
  const sets = Array.isArray(given) ? (given as Partial<Edge>[]) : [];
  return sets.map(({ queries = [], keys = [], layers = null, heads = null }) => ({
    queries,
    keys,
    layers,
    heads,
  }));
}
