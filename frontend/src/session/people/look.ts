// Tells the others what is looked at here, at most every 60 ms: the server takes 20 a second.

import type { Awareness } from "./room";
import { NOWHERE, type Look } from "./peers";

export const EVERY_MS = 60;
const LARGEST_STATE = 2048;

export interface LookOut {
  change(part: Partial<Look>): void;
  stop(): void;
}

export function createLookOut(awareness: Awareness): LookOut {
  let view: Look = NOWHERE;
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

/** A view state that would not fit into what the server takes is not told. */
function within(state: Look["state"]): Look["state"] {
  return state && JSON.stringify(state).length <= LARGEST_STATE ? state : null;
}
