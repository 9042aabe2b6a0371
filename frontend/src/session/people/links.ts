// Links: how long they hold, and what is said of them.

import type { LinkOut } from "./wire";

const DAY_MS = 86_400_000;

/** Days that a new link holds; null: until it is revoked. */
export const HOLDS: readonly { text: string; days: number | null }[] = [
  { text: "1 day", days: 1 },
  { text: "1 week", days: 7 },
  { text: "30 days", days: 30 },
  { text: "until revoked", days: null },
];

export const expiry = (days: number | null, now: number): string | null =>
  days === null ? null : new Date(now + days * DAY_MS).toISOString();

export type LinkState = "open" | "expired" | "revoked";

export function stateOf({ revoked_at, expires_at }: LinkOut, now: number): LinkState {
  if (revoked_at) return "revoked";
  return expires_at && Date.parse(expires_at) <= now ? "expired" : "open";
}

/** The token stands behind #, which browsers never send in a request for the page. */
export const joinAddress = (origin: string, token: string) => `${origin}/join#${token}`;

const TOKEN = /^[\w-]{16,128}$/;

/** The token of an address's fragment; null where there is none. */
export function tokenOf(hash: string): string | null {
  const token = hash.replace(/^#/, "");
  return TOKEN.test(token) ? token : null;
}
