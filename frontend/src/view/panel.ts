// The parts of a view: each renders from what is shown, once per frame, and marks what is selected.

import { get } from "svelte/store";
import type { Selected } from "./selection";
import type { ViewContext } from "./view";

export interface Panel<Shown> {
  render(shown: Shown): void;
  mark?(selected: Selected): void;
  destroy(): void;
}

/** A drawing that is skipped while all that goes into it is the same as last time. */
export function whenChanged<Shown>(
  ingredients: (shown: Shown) => unknown[],
  draw: (shown: Shown) => void,
): (shown: Shown) => void {
  let last: unknown[] = [];
  return (shown) => {
    const now = ingredients(shown);
    if (now.length === last.length && now.every((one, i) => one === last[i])) return;
    last = now;
    draw(shown);
  };
}

/** Draws the panels when asked, however often that is between two frames. */
export function drawPanels<Shown>(
  panels: readonly Panel<Shown>[],
  context: ViewContext,
  shown: () => Shown,
): { changed(): void; destroy(): void } {
  let alive = true;
  /** What the next frame has to do; the pointer moves more often than the screen is drawn. */
  let due = { render: false, mark: false };
  function ask(what: Partial<typeof due>): void {
    const waiting = due.render || due.mark;
    due = { ...due, ...what };
    if (!waiting) context.frame(draw);
  }
  function draw(): void {
    const { render, mark } = due;
    due = { render: false, mark: false };
    if (!alive) return;
    if (render) {
      const now = shown();
      for (const panel of panels) panel.render(now);
    }
    if (mark) for (const panel of panels) panel.mark?.(get(context.selection));
  }
  const changed = () => ask({ render: true });
  const marked = () => ask({ mark: true });
  const stops = [
    context.theme.subscribe(changed),
    context.state.subscribe(changed),
    context.selection.subscribe(marked),
  ];
  return {
    changed,
    destroy() {
      alive = false;
      for (const stop of stops) stop();
      for (const panel of panels) panel.destroy();
    },
  };
}
