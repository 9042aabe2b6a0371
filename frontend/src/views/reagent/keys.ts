import { get } from "svelte/store";
import { indexOf } from "../../view/position";
import { viewKey } from "../../view/keys";
import type { ViewContext } from "../../view/view";
import { outputAt } from "./choose";
import type { State } from "./state";

/** p pins, c compares, Esc clears; arrows belong to the strip or matrix that has the focus. */
export function listenToKeys(context: ViewContext, state: () => State): () => void {
  const actions: Record<string, () => void> = {
    p: () => pin(context, state()),
    c: () => compare(context, state()),
    Escape: () => {
      context.selection.clear();
      context.state.set("compare", null);
    },
  };
  const press = (event: KeyboardEvent) => {
    actions[viewKey(event) ?? ""]?.();
  };
  return context.keys(press);
}

export function pin(context: ViewContext, state: State): void {
  const { primary, pinned } = get(context.selection);
  context.selection.pin(primary ?? pinned);
  const at = indexOf(get(context.selection).pinned);
  context.announce(at === null ? "Nothing pinned" : `Pinned ${state.tokens[at]?.text ?? ""}`);
}

/** Only output tokens can be compared side by side, so the pinned token must be one. */
export function compare(context: ViewContext, state: State): void {
  const at = indexOf(get(context.selection).pinned);
  const possible = at !== null && outputAt(state, at) !== null;
  if (!possible) context.announce("Pin an output token first: select one and press p");
  const on = context.state.get("compare") === "1";
  context.state.set("compare", possible && !on ? "1" : null);
}
