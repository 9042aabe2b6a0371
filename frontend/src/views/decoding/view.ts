// A view of decoding traces: its state, its panels, and the keys that all of them share.

import "../../styles/figure.css";
import "../../styles/strip.css";
import "../../styles/detail.css";
import "./decoding.css";
import { get } from "svelte/store";
import { foldEvents } from "../../view/fold";
import { drawPanels } from "../../view/panel";
import { viewKey } from "../../view/keys";
import type { CreateView, ViewContext } from "../../view/view";
import { choosePosition, outputItem, readNumber, readShown, type Panel, type Shown } from "./shown";
import { EMPTY, withEvent, type RunEvent, type Traces } from "./traces";
import { writtenOf } from "./written";

type CreatePanel = (root: HTMLElement, context: ViewContext) => Panel;

const changeOf = (event: RunEvent) => (traces: Traces) => withEvent(traces, event);

/** `panels` are drawn one below the other; `detail` is next to them. */
export function decodingView(
  panels: readonly CreatePanel[],
  detail: CreatePanel,
): CreateView<RunEvent> {
  return (root, context) => {
    const events = foldEvents(EMPTY, changeOf, context, () => drawing.changed());
    const shown = () => readShown(events.now(), context);
    const position = readNumber(context, "token");
    if (position !== null && !get(context.selection).primary)
      context.selection.choose(outputItem(position));
    const created = panels.map((create) => create(root, context));
    const drawing = drawPanels([...created, detail(context.detail, context)], context, shown);
    const stopKeys = listenToKeys(context, shown);
    return {
      update: events.update,
      destroy() {
        events.stop();
        stopKeys();
        drawing.destroy();
      },
    };
  };
}

/** Esc clears, f and F go to the next and the previous token that trials or anchors decided. */
function listenToKeys(context: ViewContext, shown: () => Shown): () => void {
  const actions: Record<string, () => void> = {
    Escape: () => {
      context.selection.clear();
      choosePosition(context, null);
    },
    f: () => chooseBranchPoint(context, shown(), 1),
    F: () => chooseBranchPoint(context, shown(), -1),
  };
  const press = (event: KeyboardEvent) => {
    actions[viewKey(event) ?? ""]?.();
  };
  return context.keys(press);
}

/** The branch point after or before the chosen token; goes round at the ends. */
export function chooseBranchPoint(
  context: ViewContext,
  { trace, position }: Shown,
  by: 1 | -1,
): void {
  const branchPoints = trace
    ? writtenOf(trace)
        .filter((one) => one.place === 0 && one.trials > 1)
        .map((one) => one.position)
    : [];
  const at = position ?? (by > 0 ? -1 : Infinity);
  const next =
    by > 0
      ? branchPoints.find((branchPoint) => branchPoint > at)
      : branchPoints.filter((branchPoint) => branchPoint < at).at(-1);
  const found = next ?? (by > 0 ? branchPoints[0] : branchPoints.at(-1));
  if (found === undefined) context.announce("This trace has no branch points");
  else choosePosition(context, found);
}
