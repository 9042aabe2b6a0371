// Below which path of its host the page is served; the server writes it into the page.

const meta = globalThis.document?.querySelector<HTMLMetaElement>('meta[name="base-path"]');

export const BASE = meta?.content ?? "";

/** The address of a page, file or call of ours, given as if served at the root. */
export const address = (path: string): string => BASE + path;

/** A path of the address bar, as if served at the root. */
export const inner = (path: string): string =>
  BASE && (path === BASE || path.startsWith(`${BASE}/`)) ? path.slice(BASE.length) || "/" : path;

/** Where a socket of ours is. */
export function socketAddress(path: string): string {
  const { protocol, host } = location;
  return `${protocol === "https:" ? "wss" : "ws"}://${host}${address(path)}`;
}
