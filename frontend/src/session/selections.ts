// Panels on the same model and text share one selection: what is hovered in one lights up in all.

import type { Run } from "../api";
import { createSelection, type Selection } from "../selection";

/** Params that say what is read; positions in it mean the same in every method. */
const READ = ["prompt", "question", "chat", "special_tokens", "image", "kind", "scene", "segments"];

type Read = Pick<Run, "model" | "params">;

/** Equal for runs that read the same. */
export function textKey({ model, params }: Read, defaults: Record<string, unknown>): string {
  const read = READ.map((name) => params[name] ?? defaults[name] ?? null);
  return JSON.stringify([model, read]);
}

export function createSelections(): (run: Read, defaults: Record<string, unknown>) => Selection {
  const known = new Map<string, Selection>();
  return (run, defaults) => {
    const key = textKey(run, defaults);
    const selection = known.get(key) ?? createSelection();
    known.set(key, selection);
    return selection;
  };
}
