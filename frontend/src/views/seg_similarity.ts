// SEG similarity: the map of a token over the picture, layer by layer, and the mask it prompts.

import "../styles/figure.css";
import "../styles/strip.css";
import "../styles/detail.css";
import "../styles/tiles.css";
import "./seg_similarity/seg_similarity.css";
import type { MethodEvent } from "../gen/seg_similarity";
import { foldEvents } from "../view/fold";
import { drawPanels } from "../view/panel";
import { createResourceCache } from "../view/resourceCache";
import type { CreateView } from "../view/view";
import { createCausal } from "./seg_similarity/causal";
import { listenToKeys, placeOfCell } from "./seg_similarity/choose";
import { createDecoderMap } from "./seg_similarity/decoderMap";
import { createDetail } from "./seg_similarity/detail";
import { createLayers } from "./seg_similarity/layers";
import { createPicture } from "./seg_similarity/picture";
import { readShown, type Panel } from "./seg_similarity/shown";
import { changeOf, EMPTY } from "./seg_similarity/state";

export const create: CreateView<MethodEvent> = (root, context) => {
  const events = foldEvents(EMPTY, changeOf, context, () => drawing.changed());
  const resources = createResourceCache(
    () => drawing.changed(),
    (error) => context.announce(error.message),
  );
  const panels: Panel[] = [
    createPicture(root, context),
    createLayers(root, context),
    createDecoderMap(root, context, resources),
    createCausal(root, context, resources),
    createDetail(context.detail, context),
  ];
  const shown = () => readShown(events.now(), context, resources);
  const drawing = drawPanels(panels, context, shown);
  context.places?.set((item) => placeOfCell(shown(), item));
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
