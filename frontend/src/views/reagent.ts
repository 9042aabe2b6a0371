// ReAGent: heat on the text for the selected output token, and the tests of that map.

import "../styles/figure.css";
import "../styles/strip.css";
import "../styles/detail.css";
import type { MethodEvent } from "../gen/reagent";
import { drawPanels } from "../panel";
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
import { readShown } from "./reagent/shown";

export const create: CreateView<MethodEvent> = (root, context) => {
  let state: State = EMPTY;
  let alive = true;
  const panels = [
    createMap(root, context),
    createInputOutput(root, context),
    createCurves(root, context),
    createBaselines(root, context),
    createTables(root, context),
    createDetail(context.detail, context),
  ];
  const drawing = drawPanels(panels, context, () => readShown(state, context));
  const stops = [keepInAddress(context), listenToKeys(root.ownerDocument, context, () => state)];

  function apply(change: Change): void {
    const before = state;
    state = change(before);
    if (alive && state !== before) drawing.changed();
  }

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
      drawing.destroy();
    },
  };
};
