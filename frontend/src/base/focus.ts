// Where the focus goes when a page is opened, and when what has it is taken away.

/** A page was opened: its heading has the focus, also where it comes later or is drawn again. */
export function arrive(page: HTMLElement): () => void {
  let heading: HTMLElement | null = null;
  const watch = new MutationObserver(take);

  function take(): void {
    if (heading?.isConnected) return;
    heading = toHeading(page, (found) => (heading = found));
  }

  /** Somebody, or the page itself, has put it elsewhere: there it stays. */
  function elsewhere({ target }: FocusEvent): void {
    if (target !== heading) stop();
  }

  function stop(): void {
    watch.disconnect();
    document.removeEventListener("focusin", elsewhere);
  }

  document.addEventListener("focusin", elsewhere);
  watch.observe(page, { childList: true, subtree: true });
  take();
  return stop;
}

export function toHeading(
  page: ParentNode,
  found?: (heading: HTMLElement) => void,
): HTMLElement | null {
  const heading = page.querySelector<HTMLElement>("main h1");
  if (!heading) return null;
  found?.(heading);
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  return heading;
}

interface Step {
  node: Element;
  /** Its place among the children of the next one. */
  at: number;
}

/** What has the focus is taken out of `root`: what is in its place then gets it. */
export function keepFocus(root: HTMLElement): () => void {
  let path: Step[] = [];
  const remember = ({ target }: FocusEvent) => (path = pathOf(target as Element, root));
  const watch = new MutationObserver(() => {
    const lost = path[0] && !path[0].node.isConnected;
    if (lost && document.activeElement === document.body) successor(path)?.focus();
  });
  root.addEventListener("focusin", remember);
  watch.observe(root, { childList: true, subtree: true });
  return () => {
    root.removeEventListener("focusin", remember);
    watch.disconnect();
  };
}

/** From the element up to `root`. */
function pathOf(from: Element, root: Element): Step[] {
  const path: Step[] = [];
  for (let node: Element | null = from; node; node = node === root ? null : node.parentElement)
    path.push({ node, at: [...(node.parentElement?.children ?? [])].indexOf(node) });
  return path;
}

function successor(path: readonly Step[]): HTMLElement | null {
  const first = path.findIndex(({ node }) => node.isConnected);
  for (let up = Math.max(1, first); up < path.length; up++) {
    const children = [...(path[up]?.node.children ?? [])];
    const at = path[up - 1]?.at ?? 0;
    const order = [...children.slice(at), ...children.slice(0, at).reverse()];
    for (const child of order) {
      const found = focusable(child);
      if (found) return found;
    }
  }
  return null;
}

const FOCUSABLE =
  "a[href], button:not(:disabled), input:not(:disabled), textarea, select, [tabindex='0']";

/** The first that can be seen. */
function focusable(within: Element): HTMLElement | null {
  const all = [within, ...within.querySelectorAll(FOCUSABLE)];
  const seen = all.filter((one) => one.matches(FOCUSABLE) && one.getClientRects().length > 0);
  return (seen[0] as HTMLElement | undefined) ?? null;
}
