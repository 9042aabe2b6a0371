// Which threads hold something new to this browser.

import type { CommentOut, ThreadOut } from "./wire";

interface Seen {
  /** Milliseconds since the epoch: everything before the first visit counts as read. */
  since: number;
  threads: Record<string, number>;
}

const written = (comment?: CommentOut) => (comment ? Date.parse(comment.created_at) : 0);
const keyOf = (session: string) => `glassbench.seen.${session}`;

export class Unread {
  #seen = $state.raw<Seen>({ since: Date.now(), threads: {} });

  constructor(
    readonly session: string,
    readonly name: string,
  ) {
    this.#seen = stored(session) ?? this.#seen;
    this.#keep();
  }

  has(thread: ThreadOut): boolean {
    const seen = this.#seen.threads[thread.id] ?? this.#seen.since;
    return thread.comments.some(
      (comment) => comment.author_name !== this.name && written(comment) > seen,
    );
  }

  see(...threads: ThreadOut[]): void {
    const latest = threads.map(({ id, comments }) => [id, written(comments.at(-1))] as const);
    const known = Object.fromEntries(latest);
    this.#seen = { ...this.#seen, threads: { ...this.#seen.threads, ...known } };
    this.#keep();
  }

  /** Nothing of a session that is gone stays in this browser. */
  static forget(session: string): void {
    localStorage.removeItem(keyOf(session));
  }

  #keep(): void {
    localStorage.setItem(keyOf(this.session), JSON.stringify(this.#seen));
  }
}

function stored(session: string): Seen | null {
  try {
    const seen = JSON.parse(localStorage.getItem(keyOf(session)) ?? "null") as Seen | null;
    return typeof seen?.since === "number" && typeof seen.threads === "object" ? seen : null;
  } catch {
    return null;
  }
}
