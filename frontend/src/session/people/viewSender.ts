// Sends what is looked at here to the others, at most every 60 ms: the server takes 20 a second.

import type { Awareness } from "./room";
import { NOWHERE, type PeerView } from "./peers";

export const EVERY_MS = 60;
const LARGEST_STATE = 2048;

export interface ViewSender {
  change(part: Partial<PeerView>): void;
  stop(): void;
}

export function createViewSender(awareness: Awareness): ViewSender {
  let view: PeerView = NOWHERE;
  let said = "";
  let timer: ReturnType<typeof setTimeout> | null = null;
  let sentAt = -Infinity;

  function say(): void {
    timer = null;
    const text = JSON.stringify(view);
    if (text === said) return;
    said = text;
    sentAt = Date.now();
    awareness.setLocalStateField("view", view);
  }

  return {
    change(part) {
      view = { ...view, ...part, state: within(part.state ?? view.state) };
      timer ??= setTimeout(say, Math.max(0, sentAt + EVERY_MS - Date.now()));
    },
    stop() {
      if (timer) clearTimeout(timer);
    },
  };
}

/** A view state that would not fit into what the server takes is not sent. */
function within(state: PeerView["state"]): PeerView["state"] {
  return state && JSON.stringify(state).length <= LARGEST_STATE ? state : null;
}
