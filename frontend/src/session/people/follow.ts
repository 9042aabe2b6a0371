// Going where a person goes: panel, view state, hovered item and scroll.

import { readItem } from "./anchors";
import type { Look } from "./peers";
import type { Room, RoomPanel } from "./room";

export const SHARE_OF_WINDOW = 0.12;

export function goWith(look: Look, last: Look | null, room: Room): void {
  const panel = room.panels.find(({ id }) => id === look.panel);
  if (panel && panel.id !== room.active) room.open(panel.id, look.state ?? undefined);
  else if (panel && look.state) applyState(panel, look.state);
  const over = room.panels.find(({ id }) => id === look.over);
  over?.context?.selection.hover(readItem(look.token));
  if (look.scroll && JSON.stringify(look.scroll) !== JSON.stringify(last?.scroll))
    scrollAs(look.scroll, room.panels);
}

function applyState({ context, viewState }: RoomPanel, wanted: Record<string, string>): void {
  if (!context) return;
  const now = viewState();
  for (const [key, value] of Object.entries(wanted))
    if (now[key] !== value) context.state.set(key, value);
  for (const key of Object.keys(now)) if (!(key in wanted)) context.state.set(key, null);
}

/** What stands near the top of the window, and how far down it, as a share of its height. */
export function scrollOf(panels: readonly RoomPanel[]): Look["scroll"] {
  const line = innerHeight * SHARE_OF_WINDOW;
  for (const { id, node } of panels) {
    const box = node?.getBoundingClientRect();
    if (!box || box.height === 0 || box.bottom < line) continue;
    return { panel: id, y: Math.round((1000 * (line - box.top)) / box.height) / 1000 };
  }
  return null;
}

function scrollAs({ panel, y }: NonNullable<Look["scroll"]>, panels: readonly RoomPanel[]): void {
  const box = panels.find(({ id }) => id === panel)?.node?.getBoundingClientRect();
  if (!box) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const top = scrollY + box.top + y * box.height - innerHeight * SHARE_OF_WINDOW;
  scrollTo({ top, behavior: still ? "auto" : "smooth" });
}
