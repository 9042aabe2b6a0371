// Information flow in a text: cuts, knockout curves, causal tracing and contributions for one answer.

import type { MethodEvent } from "../../../gen/information_flow";
import { keepInAddress } from "../../../view/position";
import { createCost } from "../../../pictures/cost";
import { foldEvents } from "../../../view/fold";
import { drawPanels } from "../../../view/panel";
import type { CreateView } from "../../../view/view";
import { createAgreement } from "./agreement";
import { listenToKeys } from "./choose";
import { createDetail } from "./detail";
import { createEdits } from "./edits";
import { createEditor } from "./editor";
import { createKnockout } from "./knockout";
import { createFlowMatrix } from "./matrix";
import { createOutcome } from "./outcome";
import { createRoutes } from "./routes";
import { readShown } from "./shown";
import { changeOf, EMPTY } from "./state";
import { createStrip } from "./strip";
import { createTracing } from "./tracing";

export const createText: CreateView<MethodEvent> = (root, context) => {
  const events = foldEvents(EMPTY, changeOf, context, () => drawing.changed());
  const edits = createEdits(context);
  const shown = () => readShown(events.now(), edits.now(), context);
  const panels = [
    createStrip(root, context),
    createFlowMatrix(root, context, edits),
    createEditor(root, context, edits),
    createOutcome(root, context),
    createKnockout(root, context),
    createTracing(root, context),
    createRoutes(root, context),
    createAgreement(root, context),
    createCost(root, context),
    createDetail(context.detail, context, edits),
  ];
  const drawing = drawPanels(panels, context, shown);
  const stops = [
    keepInAddress(context),
    listenToKeys(context, edits, shown),
    context.run.subscribe(() => drawing.changed()),
  ];

  return {
    update: events.update,
    destroy() {
      events.stop();
      for (const stop of stops) stop();
      drawing.destroy();
    },
  };
};
