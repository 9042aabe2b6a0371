import { flushSync, mount, unmount } from "svelte";
import { afterEach, expect, it, vi } from "vitest";
import Log from "../../../src/session/people/Log.svelte";
import { sentence, type Entry } from "../../../src/session/people/log";
import { SESSION } from "../../room";

const entry = (action: string, change: Partial<Entry> = {}): Entry => ({
  id: 7,
  at: "2026-01-01T00:00:00Z",
  action,
  actor: "ana",
  subject: "",
  kind: "session",
  object: "",
  detail: {},
  ...change,
});

let stop = () => {};
afterEach(() => {
  stop();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

it("says in words what was done, with and without names", () => {
  const role = { role: "editor" };
  expect(sentence(entry("member_added", { subject: "bob", detail: role }))).toBe(
    "ana added bob as editor",
  );
  expect(sentence(entry("member_removed", { subject: "bob" }))).toBe("ana removed bob");
  expect(sentence(entry("member_removed", { subject: "ana" }))).toBe("ana left");
  expect(sentence(entry("link_opened", { actor: "Guest 3f2a" }))).toBe("Guest 3f2a opened a link");
  expect(sentence(entry("member_removed", { actor: "" }))).toBe(
    "A deleted account removed a deleted account",
  );
  expect(sentence(entry("session_renamed"))).toBe("ana session renamed");
});

it("is read when it is opened, page by page", async () => {
  const page = Array.from({ length: 100 }, (_, i) => entry("link_opened", { id: 200 - i }));
  const asked: string[] = [];
  const answer = ({ url }: Request) => {
    asked.push(new URL(url).search);
    return Promise.resolve(Response.json(url.includes("before") ? [entry("link_created")] : page));
  };
  vi.stubGlobal("fetch", vi.fn(answer));
  const shown = mount(Log, { target: document.body, props: { session: SESSION } });
  stop = () => void unmount(shown);
  flushSync();
  expect(asked).toEqual([]);
  document.querySelector("details")?.setAttribute("open", "");
  document.querySelector("details")?.dispatchEvent(new Event("toggle"));
  await vi.waitFor(() => expect(document.querySelectorAll("bdi")).toHaveLength(100));
  document.querySelector("button")?.click();
  await vi.waitFor(() => expect(document.querySelectorAll("bdi")).toHaveLength(101));
  expect(asked.at(-1)).toBe("?limit=100&before=101");
  expect(document.querySelector("button")).toBeNull();
});
