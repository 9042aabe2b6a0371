// What the socket says of sessions.

import type { SessionOut, ThreadOut } from "./people/wire";

export type SessionMessage =
  | { type: "session"; session: SessionOut }
  | { type: "thread"; thread: ThreadOut }
  | { type: "thread_deleted"; session: string; thread: string }
  | { type: "session_gone"; session: string; code: string };

export type SessionRequest =
  { type: "watch_session"; session: string } | { type: "unwatch_session"; session: string };

/** The session that a message is about. */
export function sessionOf(message: SessionMessage): string {
  if (message.type === "session") return message.session.id;
  return message.type === "thread" ? message.thread.session : message.session;
}
