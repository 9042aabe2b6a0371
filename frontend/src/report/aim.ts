/** Keeps what a link led to in its place while the page above it is still being drawn. */
export function createAim(page: HTMLElement): (node: HTMLElement | undefined) => void {
  let aim: HTMLElement | undefined;
  new ResizeObserver(() => aim?.scrollIntoView()).observe(page);
  for (const sign of ["wheel", "touchmove", "pointerdown", "keydown"])
    addEventListener(sign, () => (aim = undefined), { passive: true });
  return (node) => {
    aim = node;
    node?.scrollIntoView();
  };
}
