import { flushSync, tick } from "svelte";
import { get } from "svelte/store";
import { afterEach, describe, expect, it, vi } from "vitest";
import { router } from "../../../src/base/router.svelte";
import Comments from "../../../src/session/people/Comments.svelte";
import type { Role } from "../../../src/session/people/roles";
import { button, field, press, said, show, takeDown, write } from "../../mounted";
import { commentBy, createRoom, PANEL, serve, SESSION, threadAt } from "../../room";

afterEach(takeDown);

const path = `/api/sessions/${SESSION}`;

describe("comments", () => {
  function comments(role: Role, name = "cleo", now?: string) {
    const made = createRoom(role, name, now);
    const asked = serve({
      [`GET ${path}/members`]: [{ username: "ana", role: "owner", by_link: false }],
      [`POST ${path}/threads`]: threadAt({ id: "new", comments: [commentBy(name, "mine")] }),
    });
    const target = show(Comments, { room: made.room });
    return { ...made, asked, target };
  }

  it("are read, not written, by viewers", () => {
    const { say } = comments("viewer");
    say({ type: "thread", thread: threadAt() });
    flushSync();
    expect(said()).toContain("Token 5 · ReAGent");
    press("m");
    flushSync();
    expect(button("Comment on")).toBeUndefined();
    document.querySelector<HTMLButtonElement>(".thread-place")?.click();
    flushSync();
    expect([button("Resolve"), button("Reply"), field("Reply")]).toEqual([
      undefined,
      undefined,
      null,
    ]);
  });

  it("are not undone by an older answer that comes after the news", () => {
    const { room, say } = comments("viewer");
    const both = [commentBy("bob", "first"), commentBy("ana", "second, newer")];
    say({ type: "thread", thread: threadAt({ said: 2, comments: both }) });
    room.feed.put(threadAt({ said: 1, comments: both.slice(0, 1) }));
    flushSync();
    expect(said()).toContain("second, newer");
  });

  it("are anchored to the selection by the key m", async () => {
    const { context, asked, target } = comments("commenter");
    context.selection.choose({ kind: "position", index: 7 });
    press("m");
    flushSync();
    await write(field("Comment on Token 8"), "mine");
    button("Comment")?.click();
    await vi.waitFor(() => expect(target.textContent).toContain("cleo"));
    const state = { layer: "2", item: "position:7" };
    expect(asked.find(({ method }) => method === "POST")?.body).toEqual({
      run: null,
      panel: PANEL,
      anchor: { type: "token", index: 7, state },
      body: "mine",
    });
    expect(router.get("thread")).toBe("new");
  });

  it("mark their items until they are resolved", () => {
    const { say, context } = comments("viewer");
    say({ type: "thread", thread: threadAt() });
    flushSync();
    expect(get(context.marks)).toMatchObject([{ item: { kind: "position", index: 4 } }]);
    say({ type: "thread", thread: threadAt({ resolved_at: "2026-01-03T00:00:00Z" }) });
    flushSync();
    expect(get(context.marks)).toEqual([]);
    expect(said()).toContain("No comments match this filter");
  });

  it("open from a copied address: panel, view state, item", () => {
    history.replaceState(null, "", `/sessions/${SESSION}?thread=${threadAt().id}`);
    router.set({});
    const { say, opened, context } = comments("viewer");
    say({ type: "thread", thread: threadAt({ resolved_at: "2026-01-03T00:00:00Z" }) });
    flushSync();
    expect(opened).toEqual([[PANEL, { layer: "2" }]]);
    expect(get(context.selection).primary).toEqual({ kind: "position", index: 4 });
    expect(document.querySelector(".thread.chosen")).not.toBeNull();
  });

  it("are changed by their author; the owner may take away those of others", () => {
    const { say } = comments("owner", "ana");
    const own = commentBy("ana", "a reply of mine");
    say({ type: "thread", thread: threadAt({ comments: [commentBy("bob", "his"), own] }) });
    flushSync();
    document.querySelector<HTMLButtonElement>(".thread-place")?.click();
    flushSync();
    const buttons = [...document.querySelectorAll(".comment")].map((comment) =>
      [...comment.querySelectorAll("button")].map((one) => one.textContent?.trim()),
    );
    expect(buttons).toEqual([["Delete"], ["Edit", "Delete"]]);
  });

  it("count as unread when others wrote them since the last visit", () => {
    const later = "2999-01-01T00:00:00Z";
    const { say } = comments("viewer");
    say({ type: "thread", thread: threadAt({ comments: [commentBy("bob", "new", later)] }) });
    say({
      type: "thread",
      thread: threadAt({ id: "b", comments: [commentBy("cleo", "own", later)] }),
    });
    say({ type: "thread", thread: threadAt({ id: "c" }) });
    flushSync();
    expect(said()).toContain("1 unread");
    button(/unread/)?.click();
    flushSync();
    expect(said()).not.toContain("1 unread");
  });

  it.each([
    ["behind", "1999-01-01T00:00:00Z"],
    ["ahead", "2999-01-01T00:00:00Z"],
  ])("count by the server's clock where the browser's is %s", (_, browser) => {
    localStorage.clear();
    vi.setSystemTime(new Date(browser));
    const { say } = comments("viewer", "cleo", "2026-01-02T12:00:00Z");
    const at = (id: string, time: string) =>
      say({ type: "thread", thread: threadAt({ id, comments: [commentBy("bob", id, time)] }) });
    at("before", "2026-01-02T11:59:00Z");
    at("after", "2026-01-02T12:01:00Z");
    flushSync();
    vi.useRealTimers();
    expect(said()).toContain("1 unread");
  });

  it("complete the name of a member", async () => {
    comments("commenter");
    await vi.waitFor(() => expect(fetch).toHaveBeenCalled());
    await tick();
    press("m");
    flushSync();
    const text = field("Comment on The panel");
    text?.focus();
    await vi.waitFor(async () => {
      await write(text, "ask @a");
      expect(document.querySelector("[role=option]")?.textContent?.trim()).toBe("ana");
    });
    text?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    await tick();
    expect(text?.value).toBe("ask @ana ");
  });

  it("show hostile text as text", async () => {
    const { say } = comments("viewer");
    const body =
      '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>[x](javascript:1)';
    say({ type: "thread", thread: threadAt({ comments: [commentBy("<b>eve</b>", body)] }) });
    flushSync();
    await vi.waitFor(() => expect(document.querySelector(".card-text.plain")).toBeNull());
    expect(document.querySelector(".thread img, .thread script, .thread b")).toBeNull();
    expect(document.querySelector('.thread a[href^="javascript"]')).toBeNull();
  });
});
