// One connection per page. Whatever happens to it, a watcher gets each event of the newest
// attempt once and in order: the client knows the last seq it has and asks for what follows.

import { writable, type Readable } from "svelte/store";
import type { Problem } from "./api";
import type {
  ClientMessage,
  ErrorMessage,
  EventMessage,
  RunOut,
  ServerMessage,
} from "../gen/socket";
import { sessionOf, type SessionMessage } from "./messages";

export interface Connection {
  /** polling: no socket has ever opened, so runs are fetched again and again instead. */
  state: "connecting" | "open" | "reconnecting" | "polling";
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
  /** A run and its events after a place, over HTTP; without it, nothing is polled. */
  fetch?: FetchRun;
  random?: () => number;
}

/** `after` counts within `attempt`; another attempt is given from its beginning. */
export type FetchRun = (
  run: string,
  attempt: number,
  after: number,
) => Promise<{ run: RunOut; events: EventMessage[] }>;

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
const POLL_MS = 2_000;
/** As often a socket that never opened is tried before runs are polled. */
const TRIES = 2;
const BACKOFF_MS = { first: 400, longest: 10_000 };

export function createSocketClient(options: SocketOptions): SocketClient {
  const { url, open = (address) => new WebSocket(address), random = Math.random } = options;
  const connection = writable<Connection>({ state: "connecting", attempts: 0 });
  const watches = new Set<Watch>();
  const sessions = new Map<string, SessionWatcher>();
  let socket: WebSocket | null = null;
  let attempts = 0;
  let opened = false;
  let polling: ReturnType<typeof setTimeout> | null = null;
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
    const line = open(url);
    socket = line;
    heardAt = Date.now();
    line.onopen = () => {
      heardAt = Date.now();
      opened = true;
      stopPolling();
      for (const watch of watches) ask(watch);
      for (const session of sessions.keys()) askSession(session);
      attempts = 0;
      connection.set({ state: "open", attempts });
    };
    line.onmessage = (message) => receive(String(message.data));
    line.onclose = lose;
  }

  function lose(): void {
    drop();
    attempts += 1;
    const blocked = options.fetch && !opened && attempts >= TRIES;
    connection.set({ state: blocked ? "polling" : "reconnecting", attempts });
    if (blocked) polling ??= setTimeout(() => void poll(), 0);
    wait = setTimeout(connect, backoff(attempts, random()));
  }

  /** Watchers get what a socket would have brought; a server that is away is asked again. */
  async function poll(): Promise<void> {
    await Promise.all(
      [...watches].map((watch) => pollOne(watch).catch((error) => refusePoll(watch, error))),
    );
    if (polling) polling = setTimeout(() => void poll(), POLL_MS);
  }

  async function pollOne(watch: Watch): Promise<void> {
    const found = await options.fetch?.(watch.run, watch.attempt, watch.last);
    if (!found || !polling || !watches.has(watch)) return; // a socket that has opened is ahead
    watch.watcher.run(found.run);
    for (const message of found.events) take(watch, message);
  }

  /** The server's refusal reaches the page; that it is away is no refusal. */
  function refusePoll({ run, watcher }: Watch, error: unknown): void {
    const problem = (error as { problem?: Problem }).problem;
    if (!problem || problem.code === "unreachable") return;
    const { code, message, remedy } = problem;
    watcher.error({ type: "error", code, message, remedy, run, session: null });
  }

  function stopPolling(): void {
    if (polling) clearTimeout(polling);
    polling = null;
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
      stopPolling();
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
