// Which of the run's traces is drawn.

import { element } from "../../pictures/dom";
import type { ViewContext } from "../../view/view";
import { chooseTrace, type Shown } from "./shown";

/** A list of the traces by name; drawn again only when there is another. */
export function createChooser(context: ViewContext): {
  node: HTMLElement;
  render(shown: Shown): void;
} {
  const select = document.createElement("select");
  const node = element("label", { class: "chooser" }, "Decoder", select);
  let latest: Shown | null = null;
  select.addEventListener("change", () => {
    const trace = latest?.traces.traces[Number(select.value)];
    if (trace) chooseTrace(context, trace);
  });
  return {
    node,
    render(shown) {
      const { traces } = shown.traces;
      if (latest?.traces.traces.length !== traces.length) {
        select.replaceChildren(
          ...traces.map(({ start }) =>
            element("option", { value: String(start.trace) }, start.label),
          ),
        );
      }
      latest = shown;
      select.value = String(shown.trace?.start.trace ?? 0);
    },
  };
}
