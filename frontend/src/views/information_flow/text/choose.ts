// Choosing tokens, cells and states, by pointer and by keyboard; the choice is kept in the address.

import { counted } from "../../../base/plural";
import { get } from "svelte/store";
import { indexOf, positionItem } from "../../../view/position";
import { isElsewhere, viewKey } from "../../../view/keys";
import type { ViewContext } from "../../../view/view";
import type { Edge } from "./edges";
import type { Edits } from "./edits";
import {
  groupAt,
  groupsOf,
  layersOf,
  quotedName,
  positionsOf,
  RESTORED,
  type Shown,
} from "./shown";
import type { State } from "./state";

export function chooseReader(context: ViewContext, state: State, reader: number): void {
  const own = reader === groupsOf(state).length - 1;
  context.state.set("reader", own ? null : String(reader));
}

/** A group's first position becomes primary. */
export function chooseGroup(context: ViewContext, state: State, group: number): void {
  const first = groupsOf(state)[group]?.start;
  if (first !== undefined) context.selection.choose(positionItem(first));
}

export const edgeOf = (state: State, reader: number, source: number): Edge => ({
  queries: positionsOf(state, reader),
  keys: positionsOf(state, source),
  layers: null,
  heads: null,
});

/** Cuts or restores what the reader reads of each source; only earlier groups can be read. */
export function toggleEdges(
  context: ViewContext,
  edits: Edits,
  state: State,
  reader: number,
  sources: readonly number[],
): void {
  const read = sources.filter((source) => source < reader);
  if (read.length === 0) {
    context.announce("Nothing to cut: only earlier tokens are attended to");
    return;
  }
  edits.toggle(read.map((source) => edgeOf(state, reader, source)));
  const names = read.map((source) => quotedName(state, source)).join(", ");
  const count = edits.now().length;
  const chosen = `${counted(count, "edge")} chosen`;
  context.announce(`${names} to ${quotedName(state, reader)}: ${chosen}`);
}

/** x cuts, p pins, [ ] layer, { } part, Ctrl+Z undoes, Esc clears; arrows belong to the focus. */
export function listenToKeys(context: ViewContext, edits: Edits, shown: () => Shown): () => void {
  const actions: Record<string, () => void> = {
    x: () => cutChosen(context, edits, shown()),
    p: () => context.selection.pin(get(context.selection).primary ?? get(context.selection).pinned),
    "[": () => stepLayer(context, shown(), -1),
    "]": () => stepLayer(context, shown(), 1),
    "{": () => stepPart(context, shown(), -1),
    "}": () => stepPart(context, shown(), 1),
    Escape: () => {
      context.selection.clear();
      context.state.set("layer", null);
    },
  };
  const press = (event: KeyboardEvent) => {
    const key = viewKey(event);
    if (key !== null) actions[key]?.();
    else if (!isElsewhere(event)) undoByKey(event, edits);
  };
  return context.keys(press);
}

function undoByKey(event: KeyboardEvent, edits: Edits): void {
  const key = event.key.toLowerCase();
  if (event.altKey || (key !== "z" && key !== "y")) return;
  const again = key === "y" || event.shiftKey;
  if (again ? !edits.canRedo() : !edits.canUndo()) return; // the page may have something to undo
  event.preventDefault();
  if (again) edits.redo();
  else edits.undo();
}

/** The primary token, or the set, is cut from the reader. */
function cutChosen(context: ViewContext, edits: Edits, { state, reader }: Shown): void {
  const { primary, set } = get(context.selection);
  const items = set.length ? set : primary ? [primary] : [];
  const groups = items.flatMap((item) => groupAt(state, indexOf(item)) ?? []);
  toggleEdges(context, edits, state, reader, [...new Set(groups)]);
}

function stepLayer(context: ViewContext, { layer }: Shown, by: number): void {
  const last = layersOf(context) - 1;
  const next = Math.min(last, Math.max(0, layer === null ? (by > 0 ? 0 : last) : layer + by));
  if (last >= 0) context.state.set("layer", String(next));
}

function stepPart(context: ViewContext, { restored }: Shown, by: number): void {
  const at = RESTORED.indexOf(restored) + by + RESTORED.length;
  const next = RESTORED[at % RESTORED.length] ?? "residual";
  context.state.set("restored", next === "residual" ? null : next);
}
