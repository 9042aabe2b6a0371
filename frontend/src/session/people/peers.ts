// The others in the session, out of states that came from other browsers: what does not have the
// right form is left out.

import { asColour, type PersonColour } from "./colour";

export interface PeerView {
  /** The active panel. */
  panel: string | null;
  /** The panel under the pointer. */
  over: string | null;
  /** The hovered item of that panel. */
  token: string | null;
  /** The pointer, as shares of the width and height of that panel's content. */
  point: Point | null;
  scroll: Scroll | null;
  /** View state of the active panel. */
  state: Record<string, string> | null;
}

/** What is at the top of the window: a panel, how far down it as a share of its height, and
 *  how far the panel itself is scrolled, as a share of its content. */
export interface Scroll {
  panel: string;
  y: number;
  inner: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface Peer {
  client: number;
  user: { id: string; name: string; colour: PersonColour };
  view: PeerView;
  following: number | null;
  idle: boolean;
}

export const NOWHERE: PeerView = {
  panel: null,
  over: null,
  token: null,
  point: null,
  scroll: null,
  state: null,
};

export function peersOf(states: Map<number, Record<string, unknown>>, own: number): Peer[] {
  return [...states]
    .filter(([client]) => client !== own)
    .flatMap(([client, state]) => peerOf(client, state) ?? [])
    .sort((a, b) => a.user.name.localeCompare(b.user.name) || a.client - b.client);
}

export function peerOf(client: number, state: Record<string, unknown>): Peer | null {
  const user = record(state.user);
  const [id, name] = [text(user.id), text(user.name)];
  if (id === null || !name) return null;
  const colour = asColour(user.colour);
  const following = typeof state.following === "number" ? state.following : null;
  const view = viewOf(record(state.view));
  return { client, user: { id, name, colour }, view, following, idle: state.idle === true };
}

function viewOf(view: Record<string, unknown>): PeerView {
  const [point, scroll] = [record(view.point), record(view.scroll)];
  const [x, y, down, top] = [share(point.x), share(point.y), finite(scroll.y), text(scroll.panel)];
  const inner = share(scroll.inner) ?? 0;
  return {
    panel: text(view.panel),
    over: text(view.over),
    token: text(view.token),
    point: x === null || y === null ? null : { x, y },
    scroll: down === null || top === null ? null : { panel: top, y: down, inner },
    state: view.state ? texts(record(view.state)) : null,
  };
}

const record = (value: unknown) =>
  (value && typeof value === "object" ? value : {}) as Record<string, unknown>;
const text = (value: unknown) => (typeof value === "string" ? value.slice(0, 200) : null);
const finite = (value: unknown) => (Number.isFinite(value) ? (value as number) : null);
const share = (value: unknown) => {
  const number = finite(value);
  return number !== null && number >= 0 && number <= 1 ? number : null;
};
const texts = (value: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );

/** Whether following `client` would lead back to `own`. */
export function leadsBack(peers: readonly Peer[], client: number, own: number): boolean {
  const seen = new Set<number>();
  for (let at: number | null = client; at !== null && !seen.has(at);) {
    if (at === own) return true;
    seen.add(at);
    at = peers.find((peer) => peer.client === at)?.following ?? null;
  }
  return false;
}
