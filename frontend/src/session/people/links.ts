// Links: how long they hold, and what is said of them.

import { address } from "../../base/address";

const DAY_SECONDS = 86_400;

/** Days that a new link holds; null: until it is revoked. */
export const HOLDS: readonly { text: string; days: number | null }[] = [
  { text: "1 day", days: 1 },
  { text: "1 week", days: 7 },
  { text: "30 days", days: 30 },
  { text: "until revoked", days: null },
];

/** How long a new link holds, counted by the server's clock alone. */
export const secondsOf = (days: number | null): number | null =>
  days === null ? null : days * DAY_SECONDS;

/** The token comes after #, which browsers never send in a request for the page. */
export const joinAddress = (origin: string, token: string) =>
  `${origin}${address("/join")}#${token}`;

const TOKEN = /^[\w-]{16,128}$/;

/** The token of an address's fragment; null where there is none. */
export function tokenOf(hash: string): string | null {
  const token = hash.replace(/^#/, "");
  return TOKEN.test(token) ? token : null;
}
