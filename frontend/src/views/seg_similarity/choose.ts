// Choosing tokens and cells, by pointer and by keyboard.

import { get } from "svelte/store";
import type { Item } from "../../view/selection";
import { plainKey, viewKey } from "../../view/keys";
import type { Place, ViewContext } from "../../view/view";
import { CELL, SCORES, TOKEN, type Shown } from "./shown";

export const cellItem = (index: number): Item => ({ kind: CELL, index });
export const tokenItem = (index: number): Item => ({ kind: TOKEN, index });
export const indexOfCell = (item: Item | null) => (item?.kind === CELL ? item.index : null);
export const indexOfToken = (item: Item | null) => (item?.kind === TOKEN ? item.index : null);

export function placeOfCell({ grid }: Shown, item: Item): Place | null {
  const index = indexOfCell(item);
  if (index === null) return null;
  return { type: "cell", row: Math.floor(index / grid.columns), column: index % grid.columns };
}

/** The token becomes primary, and its map is shown. */
export function chooseToken(context: ViewContext, position: number): void {
  context.selection.choose(tokenItem(position));
  context.state.set("token", String(position));
}

const MOVES: Record<string, readonly [number, number]> = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

/** Arrows move the primary cell. */
export function moveCell(event: KeyboardEvent, shown: Shown, context: ViewContext): void {
  const move = MOVES[plainKey(event) ?? ""];
  if (!move) return;
  event.preventDefault();
  const { rows, columns } = shown.grid;
  const from = indexOfCell(get(context.selection).primary);
  const within = (at: number, length: number) => Math.min(length - 1, Math.max(0, at));
  const row = from === null ? 0 : within(Math.floor(from / columns) + move[0], rows);
  const column = from === null ? 0 : within((from % columns) + move[1], columns);
  context.selection.choose(cellItem(row * columns + column));
}

/** `[` `]` layer, `{` `}` score, Esc clears; arrows belong to what has the focus. */
export function listenToKeys(context: ViewContext, shown: () => Shown): () => void {
  const layer = (step: number) => {
    const { layer, layers } = shown();
    context.state.set("layer", String(Math.min(layers - 1, Math.max(0, layer + step))));
  };
  const score = (step: number) => {
    const at = SCORES.indexOf(shown().score) + step;
    const next = SCORES[(at + SCORES.length) % SCORES.length] ?? "dot";
    context.state.set("score", next.replace("-", "_"));
  };
  const actions: Record<string, () => void> = {
    "[": () => layer(-1),
    "]": () => layer(1),
    "{": () => score(-1),
    "}": () => score(1),
    Escape: () => {
      context.selection.clear();
      context.state.set("token", null);
    },
  };
  const press = (event: KeyboardEvent) => {
    actions[viewKey(event) ?? ""]?.();
  };
  return context.keys(press);
}
