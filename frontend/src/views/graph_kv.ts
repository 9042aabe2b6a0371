// Graph-KV: the graph of segments with its attention, the mask behind it, and what the answer
// makes of it.

import "../styles/figure.css";
import "../styles/strip.css";
import "../styles/detail.css";
import "../styles/tiles.css";
import "./graph_kv/graph_kv.css";
import type { MethodEvent } from "../gen/graph_kv";
import { createCost } from "../pictures/cost";
import { foldEvents } from "../view/fold";
import { drawPanels } from "../view/panel";
import type { CreateView } from "../view/view";
import { createArrangements } from "./graph_kv/arrangements";
import { createDetail } from "./graph_kv/detail";
import { createEdge } from "./graph_kv/edge";
import { createGraph } from "./graph_kv/graph";
import { listenToKeys } from "./graph_kv/keys";
import { createMaskPanel } from "./graph_kv/mask";
import { createOrders } from "./graph_kv/orders";
import { createPositions } from "./graph_kv/positions";
import { placeOfPair, readShown } from "./graph_kv/shown";
import { createSinks } from "./graph_kv/sinks";
import { changeOf, EMPTY } from "./graph_kv/state";
import { createText } from "./graph_kv/text";

export const create: CreateView<MethodEvent> = (root, context) => {
  const events = foldEvents(EMPTY, changeOf, context, () => drawing.changed());
  const panels = [
    createGraph(root, context),
    createArrangements(root, context),
    createEdge(root, context),
    createText(root, context),
    createMaskPanel(root, context),
    createPositions(root, context),
    createOrders(root, context),
    createSinks(root, context),
    createCost(root, context),
    createDetail(context.detail, context),
  ];
  const shown = () => readShown(events.now(), context);
  const drawing = drawPanels(panels, context, shown);
  context.places?.set((item) => placeOfPair(shown(), item));
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
