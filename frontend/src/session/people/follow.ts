// Going where a person goes: panel, view state, hovered item and scroll.

import { readItem } from "./anchors";
import type { PeerView, Scroll } from "./peers";
import type { Room, RoomPanel } from "./room";

export const SHARE_OF_WINDOW = 0.12;

export function goWith(view: PeerView, last: PeerView | null, room: Room): void {
  const panel = room.panels.find(({ id }) => id === view.panel);
  if (panel && (panel.id !== room.active || (view.state && differs(panel, view.state))))
    room.open(panel.id, view.state ?? undefined);
  const over = room.panels.find(({ id }) => id === view.over);
  over?.context?.selection.hover(readItem(view.token));
  if (view.scroll && JSON.stringify(view.scroll) !== JSON.stringify(last?.scroll))
    scrollAs(view.scroll, room.panels);
}

/** What they had hovered is no longer hovered here. */
export function leaveOff(last: PeerView, { panels }: Room): void {
  panels.find(({ id }) => id === last.over)?.context?.selection.hover(null);
}

/** What is only followed is shown here, and written into no document. */
function differs(panel: RoomPanel, wanted: Record<string, string>): boolean {
  const now = panel.viewState();
  const keys = new Set([...Object.keys(now), ...Object.keys(wanted)]);
  return [...keys].some((key) => now[key] !== wanted[key]);
}

/** What is near the top of the window, and how far down it, as a share of its height. */
export function scrollOf(panels: readonly RoomPanel[]): Scroll | null {
  const line = innerHeight * SHARE_OF_WINDOW;
  for (const { id, node } of panels) {
    const box = node?.getBoundingClientRect();
    if (!box || box.height === 0 || box.bottom < line) continue;
    return { panel: id, y: thousandth((line - box.top) / box.height), inner: innerOf(node) };
  }
  return null;
}

const thousandth = (value: number) => Math.round(1000 * value) / 1000;

/** What is drawn in a panel, at its full height however it is scrolled. */
export const contentOf = (node: HTMLElement) =>
  node.querySelector<HTMLElement>(".view, .text-shown") ?? node;

const bodyOf = (node: HTMLElement) => node.querySelector<HTMLElement>(".panel-body");

function innerOf(node: HTMLElement | null): number {
  const body = node && bodyOf(node);
  return body?.scrollTop ? thousandth(body.scrollTop / body.scrollHeight) : 0;
}

function scrollAs({ panel, y, inner }: Scroll, panels: readonly RoomPanel[]): void {
  const node = panels.find(({ id }) => id === panel)?.node;
  const box = node?.getBoundingClientRect();
  if (!node || !box) return;
  const body = bodyOf(node);
  if (body) body.scrollTop = inner * body.scrollHeight;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const top = scrollY + box.top + y * box.height - innerHeight * SHARE_OF_WINDOW;
  scrollTo({ top, behavior: still ? "auto" : "smooth" });
}
