import { flushSync } from "svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import AccountMenu from "../../../src/app/AccountMenu.svelte";
import Join from "../../../src/pages/Join.svelte";
import { router } from "../../../src/base/router.svelte";
import ExportDialog from "../../../src/session/people/ExportDialog.svelte";
import Gone from "../../../src/session/people/Gone.svelte";
import PeopleBar from "../../../src/session/people/PeopleBar.svelte";
import ShareDialog from "../../../src/session/people/ShareDialog.svelte";
import { button, field, press, said, show, takeDown, write } from "../../mounted";
import { createRoom, NOTE, PANEL, refuse, serve, SESSION, sessionAs, threadAt } from "../../room";

afterEach(takeDown);

const path = `/api/sessions/${SESSION}`;

describe("the share dialog", () => {
  it("shows others who owns the session, and nothing to change", () => {
    serve({});
    show(ShareDialog, { open: true, session: sessionAs("editor") });
    expect(said()).toContain("You are editor here. ana owns");
    expect([button("Create link"), button("Add")]).toEqual([undefined, undefined]);
    expect(fetch).not.toHaveBeenCalled();
  });

  it("adds a member, and says at the field why not", async () => {
    const asked = serve({
      [`GET ${path}/members`]: [],
      [`GET ${path}/links`]: [],
      [`POST ${path}/members`]: refuse(422, "user_unknown", "username"),
    });
    show(ShareDialog, { open: true, session: sessionAs("owner") });
    const name = document.querySelector<HTMLInputElement>("input[maxlength='150']");
    await write(name, " nobody ");
    button("Add")?.click();
    await vi.waitFor(() => expect(name?.getAttribute("aria-invalid")).toBe("true"));
    const error = document.getElementById(name?.getAttribute("aria-describedby") ?? "");
    expect(error?.textContent).toBe("No: user_unknown. Do this.");
    expect(asked.find(({ method }) => method === "POST")?.body).toEqual({
      username: "nobody",
      role: "viewer",
    });
  });

  it("shows a new link's address once, with the token behind #", async () => {
    const link = {
      id: "l1",
      role: "viewer",
      label: "for Bob",
      created_by: "ana",
      created_at: "2026-01-01T00:00:00Z",
      expires_at: null,
      state: "open",
      seconds_left: null,
      revoked_at: null,
    };
    const asked = serve({
      [`GET ${path}/members`]: [],
      [`GET ${path}/links`]: [link],
      [`POST ${path}/links`]: { ...link, token: "Zm9vYmFyYmF6cXV4Zm9v" },
      [`DELETE ${path}/links/l1`]: {},
    });
    show(ShareDialog, { open: true, session: sessionAs("owner") });
    button("Create link")?.click();
    const address = () => field("Address of the new link")?.value;
    await vi.waitFor(() => expect(address()).toMatch(/\/join#Zm9vYmFyYmF6cXV4Zm9v$/));
    await vi.waitFor(() => expect(button("Revoke for Bob")).toBeDefined());
    button("Revoke for Bob")?.click();
    await vi.waitFor(() => expect(field("Address of the new link")).toBeNull());
    expect(asked.at(-2)).toMatchObject({ method: "DELETE", path: `${path}/links/l1` });
  });
});

describe("the list of links", () => {
  it("says what the server says, whatever the clock of this machine shows", async () => {
    const now = vi.spyOn(Date, "now").mockReturnValue(Date.parse("2030-01-01T00:00:00Z"));
    const link = {
      id: "l1",
      role: "viewer",
      label: "far",
      created_by: "ana",
      created_at: "2026-01-01T00:00:00Z",
      expires_at: "2026-01-02T00:00:00Z",
      state: "open",
      seconds_left: 60,
      revoked_at: null,
    };
    const past = { ...link, id: "l2", label: "over", state: "expired", seconds_left: null };
    const asked = serve({
      [`GET ${path}/members`]: [],
      [`GET ${path}/links`]: [link, past],
      [`POST ${path}/links`]: { ...link, token: "Zm9vYmFyYmF6cXV4Zm9v" },
    });
    show(ShareDialog, { open: true, session: sessionAs("owner") });
    await vi.waitFor(() => expect(button("Revoke far")).toBeDefined());
    expect(button("Revoke over")).toBeUndefined();
    button("Create link")?.click();
    await vi.waitFor(() => expect(asked.some(({ method }) => method === "POST")).toBe(true));
    const sent = asked.find(({ method }) => method === "POST");
    expect(sent).toMatchObject({ body: { holds_seconds: 604_800 } });
    now.mockRestore();
  });
});

describe("the page of a link", () => {
  const TOKEN = "Zm9vYmFyYmF6cXV4Zm9v";
  const go = vi.spyOn(router, "go");
  const arrive = (hash: string) => {
    go.mockClear();
    history.replaceState(null, "", `/join${hash}`);
    show(Join, {});
  };

  it("removes the token from the address at once, and opens the session", async () => {
    const asked = serve({ "POST /api/links/open": { session: SESSION, role: "viewer" } });
    go.mockImplementation(() => {});
    arrive(`#${TOKEN}`);
    expect(location.href).not.toContain(TOKEN);
    await vi.waitFor(() => expect(go).toHaveBeenCalledWith(`/sessions/${SESSION}`));
    expect(asked).toEqual([{ method: "POST", path: "/api/links/open", body: { token: TOKEN } }]);
  });

  it("says the same of a link that is unknown, expired, revoked or cut", async () => {
    serve({ "POST /api/links/open": refuse(404, "link_not_found") });
    arrive(`#${TOKEN}`);
    await vi.waitFor(() => expect(said()).toContain("This link is not valid."));
    arrive("#cut");
    expect(said().match(/This link is not valid/g)).toHaveLength(2);
  });

  it("keeps the token over a login, and no longer", async () => {
    serve({ "POST /api/links/open": refuse(401, "login_required") });
    arrive(`#${TOKEN}`);
    await vi.waitFor(() => expect(said()).toContain("You need an account"));
    const asked = serve({ "POST /api/links/open": { session: SESSION, role: "viewer" } });
    go.mockImplementation(() => {});
    arrive("");
    await vi.waitFor(() => expect(go).toHaveBeenCalled());
    expect(asked[0]?.body).toEqual({ token: TOKEN });
    expect(sessionStorage).toHaveLength(0);
  });

  it("can be tried again when the server cannot be reached", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("network")));
    arrive(`#${TOKEN}`);
    await vi.waitFor(() => expect(button("Try again")).toBeDefined());
    const asked = serve({ "POST /api/links/open": { session: SESSION, role: "viewer" } });
    go.mockImplementation(() => {});
    button("Try again")?.click();
    await vi.waitFor(() => expect(asked).toHaveLength(1));
  });
});

describe("who is here", () => {
  const bob = { id: "2", name: "bob", colour: "teal" };

  it("is sent to the others, and can be followed until the first own input", () => {
    serve({});
    const { room, awareness, opened } = createRoom("viewer");
    show(PeopleBar, { room });
    expect(awareness.states.get(1)?.user).toMatchObject({ id: "3", name: "cleo" });
    awareness.put(2, { user: bob, view: { panel: PANEL, over: PANEL, point: { x: 0.5, y: 0.5 } } });
    flushSync();
    expect(button("Who is here: 2")?.textContent?.trim()).toBe("B");
    expect(document.querySelector(".pointer.person-teal")?.textContent?.trim()).toBe("bob");
    button("Who is here")?.click();
    flushSync();
    expect(said()).toContain("viewing ReAGent");
    button("Follow")?.click();
    flushSync();
    expect(said()).toContain("Following bob.");
    awareness.put(2, { user: bob, view: { panel: NOTE } });
    flushSync();
    expect(opened).toEqual([[NOTE, undefined]]);
    press("x");
    flushSync();
    expect(said()).not.toContain("Following bob.");
    awareness.put(2, null);
    flushSync();
    expect(button("Who is here: 1")).toBeDefined();
  });

  it("shows where the pointer is and what it is on, as shares of the panel", () => {
    vi.useFakeTimers();
    serve({});
    const { room, awareness, node, context } = createRoom("viewer");
    show(PeopleBar, { room });
    node.getBoundingClientRect = () => new DOMRect(100, 200, 400, 100);
    context.selection.hover({ kind: "position", index: 9 });
    const at = { clientX: 200, clientY: 275, bubbles: true };
    node.dispatchEvent(new MouseEvent("pointermove", at));
    vi.advanceTimersByTime(100);
    const view = () => awareness.states.get(1)?.view;
    expect(view()).toMatchObject({ over: PANEL, point: { x: 0.25, y: 0.75 }, token: "position:9" });
    document.body.dispatchEvent(new MouseEvent("pointermove", at));
    vi.advanceTimersByTime(100);
    expect(view()).toMatchObject({ over: null, point: null, token: null });
    vi.useRealTimers();
  });

  it("cannot follow a follower", () => {
    serve({});
    const { room, awareness } = createRoom("viewer");
    show(PeopleBar, { room });
    awareness.put(2, { user: bob, following: 1 });
    flushSync();
    button("Who is here")?.click();
    flushSync();
    expect(said()).toContain("following you");
    expect(button("Follow")?.disabled).toBe(true);
  });
});

describe("export", () => {
  it("asks for the chosen panels in order, can be cancelled, and offers a way out", async () => {
    const { room } = createRoom("viewer");
    let stopped = false;
    const bodies: string[] = [];
    vi.stubGlobal("fetch", (_: string, init: RequestInit) => {
      bodies.push(String(init.body));
      return new Promise((_, reject) => {
        init.signal?.addEventListener("abort", () => {
          stopped = true;
          reject(new DOMException("stopped", "AbortError"));
        });
      });
    });
    show(ExportDialog, { open: true, session: sessionAs("viewer"), panels: room.panels });
    button("Move ReAGent down")?.click();
    flushSync();
    button("Export 2 of 2")?.click();
    flushSync();
    expect(JSON.parse(bodies[0] ?? "")).toEqual({
      format: "html",
      title: "Where the answer comes from",
      comments: true,
      panels: [NOTE, PANEL],
    });
    button("Cancel")?.click();
    await vi.waitFor(() => expect(button("Cancel")).toBeUndefined());
    expect(stopped).toBe(true);
    expect(document.querySelector(".problem")).toBeNull();

    vi.stubGlobal("fetch", () => Promise.resolve(refuse(503, "chromium_missing")));
    document.querySelector<HTMLInputElement>("[value=pdf]")?.click();
    flushSync();
    button("Export 2 of 2")?.click();
    await vi.waitFor(() => expect(said()).toContain("No: chromium_missing."));
    expect(button("Interactive page instead")).toBeDefined();
  });
});

describe("a session that is gone", () => {
  it("is reported and leaves nothing in the browser", () => {
    const { say, feed } = createRoom("viewer");
    localStorage.setItem(`glassbench.seen.${SESSION}`, "{}");
    say({ type: "thread", thread: threadAt() });
    say({ type: "session_gone", session: SESSION, code: "revoked" });
    expect([feed.session, feed.threads, feed.gone]).toEqual([null, [], "revoked"]);
    show(Gone, { session: SESSION, code: "revoked" });
    expect(said()).toContain("Your link was revoked");
    expect(localStorage).toHaveLength(0);
  });
});

describe("the account's menu", () => {
  const me = {
    id: "3",
    username: "cleo",
    name: "Cleo Bay",
    local: false,
    staff: false,
    mfa: false,
  };
  function items(of: typeof me): (string | undefined)[] {
    show(AccountMenu, { me: of });
    const trigger = button("Account of Cleo Bay");
    trigger?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    flushSync();
    return [...document.querySelectorAll("[role=menuitem]")].map((one) => one.textContent?.trim());
  }

  it("leads to the account and out", () => {
    expect(items(me)).toEqual(["Account", "Log out"]);
  });

  it("leads guests to a log-in", () => {
    expect(items({ ...me, id: "guest-3f2a" })).toEqual(["Log in"]);
  });

  it("leads to the administration where that is allowed, and has no way out of this machine", () => {
    expect(items({ ...me, local: true, staff: true })).toEqual(["Account", "Administration"]);
  });
});
