// What was done to a session, in words.

import type { components } from "../../gen/api";

export type Entry = components["schemas"]["AuditOut"];

const SAID: Record<string, (entry: Entry, subject: string) => string> = {
  link_created: ({ detail }) => `created a link with the role ${detail.role}`,
  link_opened: () => "opened a link",
  link_revoked: () => "revoked a link",
  member_added: ({ detail }, subject) => `added ${subject} as ${detail.role}`,
  member_changed: ({ detail }, subject) => `made ${subject} ${detail.role}`,
  member_removed: ({ actor }, subject) => (actor === subject ? "left" : `removed ${subject}`),
  session_handed_over: (_, subject) => `transferred the session to ${subject}`,
  session_exported: ({ detail }) => `exported the session as ${detail.format ?? "a file"}`,
  session_imported: () => "imported the session",
};

/** A sentence without its end; of a deleted account no name is left. */
export function sentence(entry: Entry): string {
  const subject = entry.subject || "a deleted account";
  const said = SAID[entry.action]?.(entry, subject) ?? entry.action.replaceAll("_", " ");
  return `${entry.actor || "A deleted account"} ${said}`;
}
