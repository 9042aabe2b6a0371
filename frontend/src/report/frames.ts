// Drawing waits for the next frame; what prints or is taken away does not.

export interface Frames {
  frame(draw: () => void): void;
  /** Draws now what waits, and what that asks for in turn. */
  flush(): void;
}

export function createFrames(): Frames {
  let waiting: (() => void)[] = [];
  function flush(): void {
    while (waiting.length) {
      const due = waiting;
      waiting = [];
      for (const draw of due) draw();
    }
  }
  return {
    frame(draw) {
      if (waiting.length === 0) requestAnimationFrame(flush);
      waiting.push(draw);
    },
    flush,
  };
}
