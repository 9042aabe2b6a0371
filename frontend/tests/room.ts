// A session page without a page: what its parts need of it, and the server's answers.

import { writable } from "svelte/store";
import { vi } from "vitest";
import { createSelection } from "../src/view/selection";
import { SessionFeed } from "../src/session/feed.svelte";
import type { SessionMessage } from "../src/net/messages";
import type { Role } from "../src/session/people/roles";
import type { Room, RoomPanel } from "../src/session/people/room";
import type { ThreadOut } from "../src/gen/socket";
import type { SessionOut } from "../src/session/people/wire";
import type { SocketClient, SessionWatcher } from "../src/net/socket";
import type { ViewContext } from "../src/view/view";

export const SESSION = "1f1f6f0a-0000-4000-8000-000000000001";
export const PANEL = "1f1f6f0a-0000-4000-8000-0000000000a1";
export const NOTE = "1f1f6f0a-0000-4000-8000-0000000000a2";

export const sessionAs = (role: Role): SessionOut => ({
  id: SESSION,
  title: "Where the answer comes from",
  owner: "ana",
  role,
  created_at: "2026-01-01T10:00:00Z",
  changed_at: "2026-01-01T10:00:00Z",
  archived_at: null,
  template: false,
  imported: null,
  runs: [],
  members: 2,
});

export const threadAt = (part: Partial<ThreadOut> = {}): ThreadOut => ({
  id: "1f1f6f0a-0000-4000-8000-0000000000c1",
  session: SESSION,
  run: null,
  panel: PANEL,
  anchor: { type: "token", index: 4, state: { item: "position:4", layer: "2" } },
  resolved_at: null,
  resolved_by: null,
  said: 1,
  comments: [commentBy("bob", "Look **here**")],
  ...part,
});

export const commentBy = (name: string, body: string, at = "2026-01-02T10:00:00Z") => ({
  id: `c-${name}-${body.length}`,
  author: name,
  author_name: name,
  body,
  mentions: [],
  created_at: at,
  edited_at: null,
  deleted_at: null,
});

export class FakeAwareness {
  clientID = 1;
  states = new Map<number, Record<string, unknown>>([[1, {}]]);
  said: [string, unknown][] = [];
  #listeners = new Set<() => void>();
  getStates = () => this.states;
  setLocalStateField(field: string, value: unknown): void {
    this.said.push([field, value]);
    this.states.set(1, { ...this.states.get(1), [field]: value });
    this.tell();
  }
  on = (_: "change", changed: () => void) => void this.#listeners.add(changed);
  off = (_: "change", changed: () => void) => void this.#listeners.delete(changed);
  tell(): void {
    for (const changed of [...this.#listeners]) changed();
  }
  put(client: number, state: Record<string, unknown> | null): void {
    if (state) this.states.set(client, state);
    else this.states.delete(client);
    this.tell();
  }
}

export function viewState(initial: Record<string, string> = {}) {
  const values = new Map(Object.entries(initial));
  const listeners = new Set<() => void>();
  return {
    all: () => Object.fromEntries(values),
    get: (key: string) => values.get(key) ?? null,
    set: (key: string, value: string | null) => {
      if (value === null) values.delete(key);
      else values.set(key, value);
      listeners.forEach((changed) => changed());
    },
    subscribe: (changed: () => void) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
  };
}

/** A room with one run and one note; `say` is the server's voice. */
export function createRoom(role: Role, name = "cleo", now = "2026-01-02T12:00:00Z") {
  const feed = new SessionFeed(SESSION);
  let watcher: SessionWatcher | null = null;
  feed.watch({
    watchSession: (_: string, given: SessionWatcher) => {
      watcher = given;
      return () => {};
    },
  } as unknown as SocketClient);
  const say = (message: SessionMessage) => watcher?.message(message);
  say({ type: "session", session: sessionAs(role), now });

  const state = viewState({ layer: "2" });
  const context = {
    selection: createSelection(),
    marks: writable([]),
    state,
  } as unknown as ViewContext;
  const node = document.body.appendChild(document.createElement("div"));
  const panel = (id: string, kind: RoomPanel["kind"], title: string): RoomPanel => ({
    id,
    kind,
    title,
    run: null,
    caption: "",
    report: true,
    node: kind === "run" ? node : null,
    context: kind === "run" ? context : null,
    viewState: () => (kind === "run" ? state.all() : {}),
  });
  const awareness = new FakeAwareness();
  const opened: [string, Record<string, string> | undefined][] = [];
  const room: Room = {
    feed,
    me: { id: "3", name },
    awareness,
    panels: [panel(PANEL, "run", "ReAGent"), panel(NOTE, "note", "Note")],
    active: PANEL,
    open: (id, given) => opened.push([id, given]),
  };
  return { room, feed, awareness, context, state, opened, say, node };
}

export interface Asked {
  method: string;
  path: string;
  body: unknown;
}

/** Answers by "METHOD path"; what was asked is kept. */
export function serve(answers: Record<string, unknown>) {
  const asked: Asked[] = [];
  const answer = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    const text = await request.text();
    asked.push({ method: request.method, path: pathname, body: text && JSON.parse(text) });
    const found = answers[`${request.method} ${pathname}`];
    if (found instanceof Response) return found.clone();
    return found === undefined ? refuse(404, "not_found") : Response.json(found);
  };
  vi.stubGlobal("fetch", vi.fn(answer));
  return asked;
}

export const refuse = (status: number, code: string, field: string | null = null) =>
  Response.json({ code, message: `No: ${code}.`, remedy: "Do this.", field }, { status });
