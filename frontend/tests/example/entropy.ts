import type { TokenEntropy } from "./entropyTypes";
import { foldEvents } from "../../src/view/fold";
import { drawPanels } from "../../src/view/panel";
import { createTokenHeat, type HeatToken } from "../../src/pictures/tokenHeat";
import type { CreateView } from "../../src/view/view";

const ENTROPY = { title: "Next-token entropy", stem: "entropy", value: "Entropy", unit: "nats" };

export const create: CreateView<TokenEntropy> = (root, context) => {
  const events = foldEvents<readonly HeatToken[], TokenEntropy>(
    [],
    ({ text, nats }) =>
      (tokens) => [...tokens, { text, value: nats }],
    context,
    () => drawing.changed(),
  );
  const drawing = drawPanels([createTokenHeat(root, context, ENTROPY)], context, events.now);
  return {
    update: events.update,
    destroy() {
      events.stop();
      drawing.destroy();
    },
  };
};
