// Back, play, forward and a slider over the steps.

import { viewKey } from "../../view/keys";
import { button, element } from "../../pictures/dom";
import { fromOne } from "../../pictures/ordinal";
import type { ViewContext } from "../../view/view";
import type { Clock } from "./clock";

const ELSEWHERE =
  "input, textarea, select, button, a, [contenteditable], [role=dialog], [role=menu], [role=grid], " +
  "[role=listbox], [role=application]";

export function createScrubber(
  root: HTMLElement,
  { keys }: Pick<ViewContext, "keys">,
  clock: Clock,
): { destroy(): void } {
  const back = button("◀", () => clock.by(-1), {
    "aria-label": "Step back",
    title: "Step back (←)",
  });
  const play = button("▶ Play", () => clock.toggle(), {
    class: "play",
    title: "Play, pause (space)",
  });
  const forth = button("▶", () => clock.by(1), {
    "aria-label": "Step forward",
    title: "Step forward (→)",
  });
  const slider = element("input", { type: "range", min: "0", "aria-label": "Step" });
  const range = slider as HTMLInputElement;
  const count = element("output", { class: "muted" });
  root.append(element("div", { class: "scrubber" }, back, play, forth, slider, count));
  range.addEventListener("input", () => clock.go(range.valueAsNumber));
  const stop = clock.subscribe(({ step, count: steps, playing }) => {
    range.max = String(Math.max(0, steps - 1));
    range.value = String(step);
    range.setAttribute("aria-valuetext", `step ${fromOne(step)} of ${steps}`);
    count.textContent = steps ? `${step + 1} / ${steps}` : "";
    play.textContent = playing ? "❚❚ Pause" : "▶ Play";
    play.setAttribute("aria-pressed", String(playing));
  });

  /** Arrows and space act wherever nothing else wants them. */
  const press = (event: KeyboardEvent) => {
    const actions: Record<string, () => void> = {
      ArrowLeft: () => clock.by(-1),
      ArrowRight: () => clock.by(1),
      " ": () => clock.toggle(),
    };
    const action = actions[viewKey(event, ELSEWHERE) ?? ""];
    if (!action) return;
    event.preventDefault();
    action();
  };
  const stopKeys = keys(press);
  return {
    destroy() {
      stop();
      stopKeys();
    },
  };
}
