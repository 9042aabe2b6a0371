// ReAGent: heat on the text for the selected output token, and the tests of that map.

import "../styles/figure.css";
import "../styles/strip.css";
import "../styles/detail.css";
import "./reagent/reagent.css";
import type { MethodEvent } from "../gen/reagent";
import { createCost } from "../pictures/cost";
import { foldEvents } from "../view/fold";
import { drawPanels } from "../view/panel";
import { keepInAddress } from "../view/position";
import type { CreateView } from "../view/view";
import { createBaselines } from "./reagent/baselines";
import { createCurves } from "./reagent/curves";
import { createDetail } from "./reagent/detail";
import { listenToKeys } from "./reagent/keys";
import { createMap } from "./reagent/map";
import { createInputOutput } from "./reagent/inputOutput";
import { createTables } from "./reagent/tables";
import { changeOf, EMPTY } from "./reagent/state";
import { readShown } from "./reagent/shown";

export const create: CreateView<MethodEvent> = (root, context) => {
  const events = foldEvents(EMPTY, changeOf, context, () => drawing.changed());
  const panels = [
    createMap(root, context),
    createInputOutput(root, context),
    createCurves(root, context),
    createBaselines(root, context),
    createTables(root, context),
    createCost(root, context),
    createDetail(context.detail, context),
  ];
  const drawing = drawPanels(panels, context, () => readShown(events.now(), context));
  const stops = [keepInAddress(context), listenToKeys(context, events.now)];

  return {
    update: events.update,
    destroy() {
      events.stop();
      for (const stop of stops) stop();
      drawing.destroy();
    },
  };
};
