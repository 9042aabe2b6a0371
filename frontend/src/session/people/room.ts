// What the session's page gives to what makes the session shared. Every field is reactive: read
// it in a template or an effect.

import type { ViewContext } from "../../view/view";
import type { SessionFeed } from "../feed.svelte";

/** What is used of y-protocols' awareness: small states of all clients, sent to all. */
export interface Awareness {
  readonly clientID: number;
  getStates(): Map<number, Record<string, unknown>>;
  setLocalStateField(field: string, value: unknown): void;
  on(event: "change", changed: () => void): void;
  off(event: "change", changed: () => void): void;
}

export interface Room {
  readonly feed: SessionFeed;
  readonly me: { readonly id: string; readonly name: string };
  readonly awareness: Awareness;
  /** In their order. */
  readonly panels: readonly RoomPanel[];
  /** The active panel. */
  readonly active: string | null;
  /** Makes it the active panel, sets the view state that is given and brings it into sight. */
  open(panel: string, state?: Record<string, string>): void;
}

export interface RoomPanel {
  readonly id: string;
  readonly kind: "run" | "note";
  readonly run: string | null;
  readonly title: string;
  readonly caption: string;
  /** Whether it goes into reports. */
  readonly report: boolean;
  /** null while it is not on the page. */
  readonly node: HTMLElement | null;
  /** null for notes, and until the view is drawn. */
  readonly context: ViewContext | null;
  viewState(): Record<string, string>;
}
