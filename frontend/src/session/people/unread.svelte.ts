// Which threads hold something new to this browser.

import type { CommentOut, ThreadOut } from "./wire";

interface Seen {
  /** Milliseconds since the epoch, by the server's clock: what was before the first visit is read. */
  since: number;
  threads: Record<string, number>;
}

const written = (comment?: CommentOut) => (comment ? Date.parse(comment.created_at) : 0);
const keyOf = (session: string) => `glassbench.seen.${session}`;

export class Unread {
  /** null: not opened yet, so that nobody knows what is new. */
  #seen = $state.raw<Seen | null>(null);

  constructor(
    readonly session: string,
    readonly name: string,
  ) {}

  /** The session was opened at this time of the server; the browser's clock may be wrong. */
  begin(now: number): void {
    const { since, threads } = stored(this.session) ?? { since: now, threads: {} };
    this.#keep({ since: Math.min(since, now), threads });
  }

  has(thread: ThreadOut): boolean {
    if (!this.#seen) return false;
    const seen = this.#seen.threads[thread.id] ?? this.#seen.since;
    return thread.comments.some(
      (comment) => comment.author_name !== this.name && written(comment) > seen,
    );
  }

  see(...threads: ThreadOut[]): void {
    if (!this.#seen) return;
    const latest = threads.map(({ id, comments }) => [id, written(comments.at(-1))] as const);
    const known = Object.fromEntries(latest);
    this.#keep({ ...this.#seen, threads: { ...this.#seen.threads, ...known } });
  }

  /** Nothing of a session that is gone stays in this browser. */
  static forget(session: string): void {
    localStorage.removeItem(keyOf(session));
  }

  #keep(seen: Seen): void {
    this.#seen = seen;
    localStorage.setItem(keyOf(this.session), JSON.stringify(seen));
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
