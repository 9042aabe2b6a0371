// Addresses and the query that holds the view's state. A few flat pages need no router library:
// what they need is the query as state, which is most of this file.

import { address, inner } from "./address";
import { withQuery } from "./query";

export type Page =
  | { name: "home" }
  | { name: "runs" }
  | { name: "run"; id: string }
  | { name: "trace" }
  | { name: "models" }
  | { name: "model"; id: string }
  | { name: "join" }
  | { name: "sessions" }
  | { name: "session"; id: string }
  | { name: "unknown" };

export function match(path: string): Page {
  const [, first = "", ...rest] = path.replace(/\/+$/, "").split("/");
  const id = rest.map(decodeURIComponent).join("/");
  if (first === "") return { name: "home" };
  if (first === "runs") return id ? { name: "run", id } : { name: "runs" };
  if (first === "sessions") return id ? { name: "session", id } : { name: "sessions" };
  if (first === "trace" && !id) return { name: "trace" };
  if (first === "models") return id ? { name: "model", id } : { name: "models" };
  if (first === "join" && !id) return { name: "join" };
  return { name: "unknown" };
}

export const modelPath = (id: string) =>
  `/models/${id.split("/").map(encodeURIComponent).join("/")}`;
export const modelAddress = (id: string) => address(modelPath(id));

class Router {
  path = $state(inner(location.pathname));
  search = $state(location.search);
  page = $derived(match(this.path));
  #listeners = new Set<() => void>();

  /** Goes to a page, given as if served at the root, adding to the history. */
  go(path: string): void {
    history.pushState(null, "", address(path));
    this.#read();
    scrollTo(0, 0);
  }

  get(key: string): string | null {
    return new URLSearchParams(this.search).get(key);
  }

  /** Changes the query in place; null removes a key. */
  set(changes: Record<string, string | null>): void {
    const search = withQuery(location.search, changes);
    history.replaceState(null, "", location.pathname + search);
    this.search = location.search;
  }

  /** Tells when the address changed by going back, forward or elsewhere. */
  subscribe(changed: () => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  #read(): void {
    this.path = inner(location.pathname);
    this.search = location.search;
    for (const changed of this.#listeners) changed();
  }

  /** Follows links of this page without loading it again. */
  listen(): () => void {
    const read = () => this.#read();
    const click = (event: MouseEvent) => this.#follow(event);
    addEventListener("popstate", read);
    document.addEventListener("click", click);
    return () => {
      removeEventListener("popstate", read);
      document.removeEventListener("click", click);
    };
  }

  #follow(event: MouseEvent): void {
    const plain = !event.defaultPrevented && event.button === 0;
    if (!plain || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.<HTMLAnchorElement>("a[href]");
    if (!link || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || match(inner(link.pathname)).name === "unknown") return;
    if (link.hash && link.pathname === location.pathname) return;
    event.preventDefault();
    this.go(inner(link.pathname) + link.search);
  }
}

export const router = new Router();
