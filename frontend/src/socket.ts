// One connection per page. Whatever happens to it, a watcher gets each event of the newest
// attempt once and in order: the client knows the last seq it has and asks for what follows.

import { writable, type Readable } from "svelte/store";
import type {
  ClientMessage,
  ErrorMessage,
  EventMessage,
  RunOut,
  ServerMessage,
} from "./gen/socket";
import { sessionOf, type SessionMessage } from "./session/messages";

export interface Connection {
  state: "connecting" | "open" | "reconnecting";
  /** Attempts to reconnect since the line went dead. */
  attempts: number;
}

export interface Watcher {
  event(message: EventMessage): void;
  run(run: RunOut): void;
  /** A new attempt began: what came before no longer counts. */
  reset(): void;
  error(error: ErrorMessage): void;
}

/** What the server says of a session: itself, its threads, its end. */
export interface SessionWatcher {
  message(message: SessionMessage): void;
  /** The line is new: all threads follow, and what is not among them is gone. */
  restart(): void;
  error(error: ErrorMessage): void;
}

export interface SocketClient {
  connection: Readable<Connection>;
  /** Returns the function that ends the watch. */
  watch(run: string, watcher: Watcher): () => void;
  watchSession(session: string, watcher: SessionWatcher): () => void;
  /** Tries again now, instead of waiting for the next attempt. */
  retry(): void;
  close(): void;
}

export interface SocketOptions {
  url: string;
  open?: (url: string) => WebSocket;
  random?: () => number;
}

interface Watch {
  run: string;
  watcher: Watcher;
  attempt: number;
  last: number;
  early: Map<number, EventMessage>;
  repair: ReturnType<typeof setTimeout> | null;
}

const PING_MS = 10_000;
const SILENCE_MS = 25_000;
const PROBE_MS = 2_000;
const REPAIR_MS = 400;
const BACKOFF_MS = { first: 400, longest: 10_000 };

export function createSocketClient(options: SocketOptions): SocketClient {
  const { url, open = (address) => new WebSocket(address), random = Math.random } = options;
  const connection = writable<Connection>({ state: "connecting", attempts: 0 });
  const watches = new Set<Watch>();
  const sessions = new Map<string, SessionWatcher>();
  let socket: WebSocket | null = null;
  let attempts = 0;
  let heardAt = 0;
  let wait: ReturnType<typeof setTimeout> | null = null;

  function send(message: ClientMessage): void {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }

  /** A run may be watched in several places, each of which began at its own time. */
  const watchesOf = (run: string) => [...watches].filter((watch) => watch.run === run);

  function ask({ run, attempt, last }: Watch): void {
    send({ type: "watch", run, attempt, after: last });
  }

  function askSession(session: string): void {
    sessions.get(session)?.restart();
    send({ type: "watch_session", session });
  }

  function connect(): void {
    stopWaiting();
    const opened = open(url);
    socket = opened;
    heardAt = Date.now();
    opened.onopen = () => {
      heardAt = Date.now();
      for (const watch of watches) ask(watch);
      for (const session of sessions.keys()) askSession(session);
      attempts = 0;
      connection.set({ state: "open", attempts });
    };
    opened.onmessage = (message) => receive(String(message.data));
    opened.onclose = lose;
  }

  function lose(): void {
    drop();
    attempts += 1;
    connection.set({ state: "reconnecting", attempts });
    wait = setTimeout(connect, backoff(attempts, random()));
  }

  /** A dead line may take minutes to say so: its socket is left behind, not waited for. */
  function drop(): void {
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    socket = null;
  }

  function stopWaiting(): void {
    if (wait) clearTimeout(wait);
    wait = null;
  }

  function receive(text: string): void {
    heardAt = Date.now();
    const message = JSON.parse(text) as ServerMessage;
    if (message.type === "event") {
      for (const watch of watchesOf(message.run)) take(watch, message);
    } else if (message.type === "run") {
      for (const { watcher } of watchesOf(message.run.id)) watcher.run(message.run);
    } else if (message.type === "error") refuse(message);
    else if (message.type !== "pong") sessions.get(sessionOf(message))?.message(message);
  }

  function refuse(error: ErrorMessage): void {
    for (const { watcher } of error.run ? watchesOf(error.run) : watches) watcher.error(error);
    if (!error.run) for (const watcher of sessions.values()) watcher.error(error);
  }

  function take(watch: Watch, message: EventMessage): void {
    if (message.attempt < watch.attempt) return;
    if (message.attempt > watch.attempt) restart(watch, message.attempt);
    if (message.seq <= watch.last) return;
    watch.early.set(message.seq, message);
    deliver(watch);
    if (watch.early.size) repairSoon(watch);
  }

  /** A hole that does not close by itself is asked for again. */
  function repairSoon(watch: Watch): void {
    watch.repair ??= setTimeout(() => {
      watch.repair = null;
      if (!watch.early.size || !watches.has(watch)) return;
      ask(watch);
      repairSoon(watch);
    }, REPAIR_MS);
  }

  function beat(): void {
    if (!socket) return;
    if (Date.now() - heardAt > SILENCE_MS) lose();
    else send({ type: "ping" });
  }

  /** A browser that says offline may still reach a server on its own machine: ask, do not guess. */
  function probe(): void {
    send({ type: "ping" });
    const asked = Date.now();
    setTimeout(() => {
      if (socket && heardAt < asked) lose();
    }, PROBE_MS);
  }

  function retry(): void {
    if (!wait) return;
    connect();
  }

  connect();
  const heartbeat = setInterval(beat, PING_MS);
  globalThis.addEventListener("online", retry);
  globalThis.addEventListener("offline", probe);

  return {
    connection,
    retry,
    watch(run, watcher) {
      const watch: Watch = { run, watcher, attempt: 0, last: 0, early: new Map(), repair: null };
      watches.add(watch);
      ask(watch);
      return () => {
        if (watches.delete(watch) && watchesOf(run).length === 0) send({ type: "unwatch", run });
      };
    },
    watchSession(session, watcher) {
      sessions.set(session, watcher);
      askSession(session);
      return () => {
        if (sessions.get(session) !== watcher) return;
        sessions.delete(session);
        send({ type: "unwatch_session", session });
      };
    },
    close() {
      clearInterval(heartbeat);
      stopWaiting();
      globalThis.removeEventListener("online", retry);
      globalThis.removeEventListener("offline", probe);
      drop();
    },
  };
}

function restart(watch: Watch, attempt: number): void {
  const first = watch.attempt === 0;
  watch.attempt = attempt;
  watch.last = 0;
  watch.early.clear();
  if (!first) watch.watcher.reset();
}

function deliver(watch: Watch): void {
  for (let next = watch.last + 1; ; next++) {
    const message = watch.early.get(next);
    if (!message) return;
    watch.early.delete(next);
    watch.last = next;
    watch.watcher.event(message);
  }
}

/** Doubles each time up to a limit; the jitter keeps a crowd from coming back at once. */
export function backoff(attempts: number, random: number): number {
  const longest = Math.min(BACKOFF_MS.longest, BACKOFF_MS.first * 2 ** (attempts - 1));
  return longest * (0.5 + random / 2);
}
