// ReAGent: heat on the text for the selected output token, and the tests of that map.

import { get } from "svelte/store";
import "../styles/figure.css";
import "../styles/strip.css";
import "../styles/detail.css";
import type { MethodEvent } from "../gen/reagent";
import type { CreateView } from "../view";
import { createBaselines } from "./reagent/baselines";
import { createCurves } from "./reagent/curves";
import { createDetail } from "./reagent/detail";
import { listenToKeys } from "./reagent/keys";
import { keepInAddress } from "./reagent/choose";
import { createMap } from "./reagent/map";
import { createInputOutput } from "./reagent/inputOutput";
import { createTables } from "./reagent/tables";
import { changeOf, EMPTY, type Change, type State } from "./reagent/state";
import { readShown, type Panel, type Shown } from "./reagent/shown";

export const create: CreateView<MethodEvent> = (root, context) => {
  let state: State = EMPTY;
  let waiting = false;
  let marking = false;
  let alive = true;
  const panels: Panel[] = [
    createMap(root, context),
    createInputOutput(root, context),
    createCurves(root, context),
    createBaselines(root, context),
    createTables(root, context),
    createDetail(context.detail, context),
  ];

  const shown = (): Shown => readShown(state, context);

  /** Renders once per frame, however many events arrived since the last one. */
  function changed(): void {
    if (waiting) return;
    waiting = true;
    context.frame(() => {
      waiting = false;
      if (alive) for (const panel of panels) panel.render(shown());
    });
  }

  /** The pointer moves more often than the screen is drawn. */
  function marked(): void {
    if (marking) return;
    marking = true;
    context.frame(() => {
      marking = false;
      if (alive) for (const panel of panels) panel.mark?.(get(context.selection));
    });
  }

  function apply(change: Change): void {
    const before = state;
    state = change(before);
    if (state !== before) changed();
  }

  const stops = [
    context.theme.subscribe(changed),
    context.state.subscribe(changed),
    context.selection.subscribe(marked),
    keepInAddress(context),
    listenToKeys(root.ownerDocument, context, () => state),
  ];

  return {
    update(event) {
      const change = changeOf(event, context.arrays);
      if (change instanceof Promise)
        change.then(apply, (error: Error) => context.announce(error.message));
      else apply(change);
    },
    destroy() {
      alive = false;
      for (const stop of stops) stop();
      for (const panel of panels) panel.destroy();
    },
  };
};
