// One session as the server describes it: its facts, its threads, and that it is gone.

import { SvelteMap } from "svelte/reactivity";
import { goToLogin } from "../net/api";
import type { ErrorMessage } from "../gen/socket";
import type { SocketClient } from "../net/socket";
import type { SessionMessage } from "../net/messages";
import type { SessionOut, ThreadOut } from "./people/wire";

type SessionOpened = Extract<SessionMessage, { type: "session" }>;

export class SessionFeed {
  session = $state.raw<SessionOut | null>(null);
  /** When it was opened here, by the server's clock; milliseconds since the epoch. */
  opened = $state.raw<number | null>(null);
  /** Why it may no longer be looked at; then nothing of it is kept here. */
  gone = $state.raw<string | null>(null);
  refusal = $state.raw<ErrorMessage | null>(null);
  #threads = new SvelteMap<string, ThreadOut>();
  /** Oldest first. */
  threads = $derived([...this.#threads.values()].sort(byAge));

  constructor(readonly id: string) {}

  watch(client: SocketClient): () => void {
    return client.watchSession(this.id, {
      message: (message) => this.#take(message),
      restart: () => this.#threads.clear(),
      error: (error) => this.#refuse(error),
    });
  }

  /** Takes in a thread that was just written here; the socket may have sent a newer one. */
  put(thread: ThreadOut): void {
    const known = this.#threads.get(thread.id);
    if (!known || known.said <= thread.said) this.#threads.set(thread.id, thread);
  }

  #take(message: SessionMessage): void {
    if (message.type === "session") this.#open(message);
    else if (message.type === "thread") this.put(message.thread);
    else if (message.type === "thread_deleted") this.#threads.delete(message.thread);
    else this.#lose(message.code);
  }

  #open({ session, now }: SessionOpened): void {
    this.session = session;
    this.opened ??= Date.parse(now);
    this.gone = null;
    this.refusal = null;
  }

  #lose(code: string): void {
    this.gone = code;
    this.session = null;
    this.#threads.clear();
  }

  #refuse(error: ErrorMessage): void {
    if (error.code === "login_required") goToLogin();
    else if (error.code === "session_not_found" && this.session) this.#lose("removed");
    else this.refusal = error;
  }
}

const born = (thread: ThreadOut) => thread.comments[0]?.created_at ?? "";
const byAge = (a: ThreadOut, b: ThreadOut) => born(a).localeCompare(born(b));
