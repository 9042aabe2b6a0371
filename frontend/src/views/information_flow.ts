// Information flow between tokens. A prompt's pictures, or a text's tokens: the run's
// first event says which.

import "../styles/figure.css";
import "../styles/detail.css";
import "../styles/tiles.css";
import "../styles/strip.css";
import "./information_flow/information_flow.css";
import type { MethodEvent } from "../gen/information_flow";
import type { CreateView, View } from "../view/view";
import { createImages } from "./information_flow/images/view";
import { createText } from "./information_flow/text/view";

const STARTS: Partial<Record<MethodEvent["kind"], CreateView<MethodEvent>>> = {
  prompt: createImages,
  tokens: createText,
};

export const create: CreateView<MethodEvent> = (root, context) => {
  let view: View<MethodEvent> | null = null;
  return {
    update(event) {
      view ??= STARTS[event.kind]?.(root, context) ?? null;
      view?.update(event);
    },
    destroy: () => view?.destroy(),
  };
};
