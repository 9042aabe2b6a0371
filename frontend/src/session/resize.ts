// A corner that is dragged: columns to the side, pixels down.

import { LOWEST, SPANS, type Span } from "./document";

const COLUMNS = 12;

export interface Size {
  span: Span;
  height: number;
}

interface Gripped {
  frame(): HTMLElement | null;
  pull(now: Size): void;
  /** null: it was let go where it was. */
  done(size: Size | null): void;
}

/** The width that is nearest, of those a panel can have; `grid` in pixels. */
export function spanOf(width: number, grid: number): Span {
  const wanted = (width / grid) * COLUMNS;
  const far = (span: Span) => Math.abs(span - wanted);
  return SPANS.reduce((best, span) => (far(span) < far(best) ? span : best));
}

export function grip(node: HTMLElement, gripped: Gripped): () => void {
  function begin(event: PointerEvent): void {
    const frame = gripped.frame();
    const grid = frame?.parentElement?.clientWidth;
    if (!frame || !grid || event.button !== 0) return;
    event.preventDefault();
    const box = frame.getBoundingClientRect();
    let size: Size | null = null;
    const move = ({ clientX, clientY }: PointerEvent) => {
      const height = Math.max(LOWEST, Math.round(clientY - box.top));
      size = { span: spanOf(clientX - box.left, grid), height };
      gripped.pull(size);
    };
    const end = () => {
      stop();
      gripped.done(size);
    };
    const cancel = () => {
      stop();
      gripped.done(null);
    };
    function stop(): void {
      node.removeEventListener("pointermove", move);
      node.removeEventListener("pointerup", end);
      node.removeEventListener("pointercancel", cancel);
    }
    node.setPointerCapture(event.pointerId);
    node.addEventListener("pointermove", move);
    node.addEventListener("pointerup", end);
    node.addEventListener("pointercancel", cancel);
  }
  node.addEventListener("pointerdown", begin);
  return () => node.removeEventListener("pointerdown", begin);
}
