// From a selection to the anchor of a comment, and back.

import type { Item, Selected } from "../../view/selection";
import type { PlaceOf } from "../../view/view";
import type { Anchor } from "./wire";
import { fromOne } from "../../pictures/ordinal";

/** Items that are tokens of the run, one after the other. */
const TOKENS = ["position", "output", "token"];
/** Under which the view state of an anchor holds the selected item. */
const ITEM = "item";

/** The set, else the primary item, else the step that is shown, else the panel as a whole. */
export function anchorOf(
  selected: Selected | null,
  viewState: Record<string, string>,
  placeOf: PlaceOf = () => null,
): Anchor {
  const items = selected?.set.length ? selected.set : [selected?.primary ?? null];
  const first = items[0] ?? null;
  if (!first) return { ...stepOf(viewState.step), state: viewState };
  const state = { ...viewState, [ITEM]: writeItem(first) ?? "" };
  if (!TOKENS.includes(first.kind))
    return { ...(placeOf(first) ?? { type: "node", id: state[ITEM] ?? "" }), state };
  const indices = items.flatMap((item) => (item?.kind === first.kind ? [item.index] : []));
  if (indices.length === 1) return { type: "token", index: first.index, state };
  return { type: "span", start: Math.min(...indices), end: Math.max(...indices) + 1, state };
}

const stepOf = (step = "") =>
  /^\d{1,6}$/.test(step)
    ? ({ type: "step", index: Number(step) } as const)
    : ({ type: "panel" } as const);

/** The items that an anchor means in its panel. */
export function itemsOf(anchor: Anchor): Item[] {
  const chosen = readItem(anchor.state?.[ITEM] ?? null);
  const kind = chosen?.kind ?? "position";
  if (anchor.type === "token") return [{ kind, index: anchor.index }];
  if (anchor.type !== "span") return chosen ? [chosen] : [];
  const length = Math.min(anchor.end - anchor.start, 10_000);
  return Array.from({ length }, (_, i) => ({ kind, index: anchor.start + i }));
}

/** An item in one word, as addresses and other browsers get it. */
export const writeItem = (item: Item | null) => item && `${item.kind}:${item.index}`;

export function readItem(token: string | null): Item | null {
  const found = /^([a-z]{1,20}):(\d{1,6})$/.exec(token ?? "");
  return found ? { kind: found[1] ?? "", index: Number(found[2]) } : null;
}

/** The view state to open the anchor with. */
export const stateOf = (anchor: Anchor): Record<string, string> =>
  Object.fromEntries(Object.entries(anchor.state ?? {}).filter(([key]) => key !== ITEM));

export function describe(anchor: Anchor): string {
  switch (anchor.type) {
    case "panel":
      return "The panel";
    case "token":
      return `Token ${fromOne(anchor.index)}`;
    case "span":
      return `Tokens ${fromOne(anchor.start)} to ${anchor.end}`;
    case "cell":
      return `Row ${fromOne(anchor.row)}, column ${fromOne(anchor.column)}`;
    case "edge":
      return `Edge ${anchor.source} → ${anchor.target}`;
    case "node":
      return anchor.id.replace(":", " ").replace(/^./, (letter) => letter.toUpperCase());
    case "step":
      return `Step ${fromOne(anchor.index)}`;
  }
}
