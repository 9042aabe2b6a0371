// A figure that fills the screen: as much larger as there is room, with its detail on the right.

const LARGEST = 3;

export interface FullScreen {
  toggle(): void;
  stop(): void;
}

/** `detail` is lent to the figure while that fills the screen. */
export function createFullScreen(figure: HTMLElement, detail: HTMLElement): FullScreen {
  /** Of the content on the page, which is kept, so that nothing is laid out again. */
  let width = 0;
  let held: Comment | null = null;

  function enter(): void {
    if (!held && detail.parentNode) {
      held = document.createComment("detail");
      detail.replaceWith(held);
      figure.append(detail);
    }
    enlarge();
    addEventListener("resize", enlarge);
  }

  function enlarge(): void {
    const factor = Math.min(LARGEST, Math.max(1, innerWidthOf(figure) / width));
    figure.style.setProperty("--larger", factor.toFixed(3));
  }

  function leave(): void {
    removeEventListener("resize", enlarge);
    figure.style.removeProperty("--larger");
    if (held?.isConnected) held.replaceWith(detail);
    else if (held) detail.remove();
    held = null;
  }

  function changed(): void {
    if (document.fullscreenElement === figure) enter();
    else if (held) leave();
  }

  document.addEventListener("fullscreenchange", changed);
  return {
    toggle() {
      if (document.fullscreenElement) return void document.exitFullscreen();
      width = innerWidthOf(figure);
      void figure.requestFullscreen();
    },
    stop() {
      document.removeEventListener("fullscreenchange", changed);
      if (held) leave();
    },
  };
}

function innerWidthOf(node: HTMLElement): number {
  const { paddingLeft, paddingRight } = getComputedStyle(node);
  return node.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
}
