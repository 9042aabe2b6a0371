// SEG similarity: the map of a token over the picture, layer by layer, and the mask it prompts.

import "../styles/figure.css";
import "../styles/strip.css";
import "../styles/detail.css";
import "../styles/pictures.css";
import type { MethodEvent } from "../gen/seg_similarity";
import { createShelf } from "../view/shelf";
import type { CreateView } from "../view/view";
import { createCausal } from "./seg_similarity/causal";
import { listenToKeys, placeOfCell } from "./seg_similarity/choose";
import { createDecoderMap } from "./seg_similarity/decoderMap";
import { createDetail } from "./seg_similarity/detail";
import { createLayers } from "./seg_similarity/layers";
import { createPicture } from "./seg_similarity/picture";
import { readShown, type Panel, type Shown } from "./seg_similarity/shown";
import { applied, EMPTY, type State } from "./seg_similarity/state";

export const create: CreateView<MethodEvent> = (root, context) => {
  let state: State = EMPTY;
  let waiting = false;
  let marking = false;
  let alive = true;
  const shelf = createShelf(changed, (error) => context.announce(error.message));
  const panels: Panel[] = [
    createPicture(root, context),
    createLayers(root, context),
    createDecoderMap(root, context, shelf),
    createCausal(root, context, shelf),
    createDetail(context.detail, context),
  ];
  const shown = (): Shown => readShown(state, context, shelf);

  /** Renders once per frame, however many events arrived since the last one. */
  function changed(): void {
    if (waiting) return;
    waiting = true;
    context.frame(() => {
      waiting = false;
      const now = shown();
      if (alive) for (const panel of panels) panel.render(now);
    });
  }

  function marked(): void {
    if (marking) return;
    marking = true;
    context.frame(() => {
      marking = false;
      if (alive) for (const panel of panels) panel.mark?.();
    });
  }

  context.places?.set((item) => placeOfCell(shown(), item));
  const stops = [
    context.theme.subscribe(changed),
    context.state.subscribe(changed),
    context.selection.subscribe(marked),
    listenToKeys(context, shown),
  ];

  return {
    update(event) {
      const before = state;
      state = applied(state, event);
      if (state !== before) changed();
    },
    destroy() {
      alive = false;
      for (const stop of stops) stop();
      for (const panel of panels) panel.destroy();
    },
  };
};
