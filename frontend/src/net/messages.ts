// What the socket says of sessions.

import type { ServerMessage } from "../gen/socket";

type Kinds = "session" | "thread" | "thread_deleted" | "session_gone";
export type SessionMessage = Extract<ServerMessage, { type: Kinds }>;

/** The session that a message is about. */
export function sessionOf(message: SessionMessage): string {
  if (message.type === "session") return message.session.id;
  return message.type === "thread" ? message.thread.session : message.session;
}
