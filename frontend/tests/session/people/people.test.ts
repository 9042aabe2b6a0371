import { readFileSync } from "node:fs";
import { get } from "svelte/store";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { rgb } from "d3-color";
import {
  anchorOf,
  itemsOf,
  readItem,
  stateOf,
  writeItem,
} from "../../../src/session/people/anchors";
import { COLOURS, initials, pickColour } from "../../../src/session/people/colour";
import { moved, nameOf } from "../../../src/session/people/exports";
import { goWith } from "../../../src/session/people/follow";
import { joinAddress, secondsOf, tokenOf } from "../../../src/session/people/links";
import { createViewSender, EVERY_MS } from "../../../src/session/people/viewSender";
import { putMarks } from "../../../src/session/people/marks";
import { complete, matching, typedName } from "../../../src/session/people/mentions";
import { leadsBack, NOWHERE, peersOf } from "../../../src/session/people/peers";
import { createRoom, FakeAwareness, NOTE, PANEL } from "../../room";
import { CENTRED, stage } from "../../stage";

describe("colours of people", () => {
  it("are the same for the same person, and not another's where there is choice", () => {
    expect(pickColour("7", [])).toBe(pickColour("7", []));
    const taken = COLOURS.slice(0, 7);
    expect(pickColour("7", taken)).toBe(COLOURS[7]);
    expect(COLOURS).toContain(pickColour("7", COLOURS));
  });

  const sheet = (name: string) => readFileSync(`src/styles/${name}.css`, "utf8");
  const themes = (css: string) => css.split(':root[data-theme="dark"]');
  const value = (css: string, name: string) =>
    new RegExp(`--${name}: (#[0-9a-f]{6})`).exec(css)?.[1] ?? "";
  const luminance = (colour: string) => {
    const { r, g, b } = rgb(colour);
    const linear = [r, g, b].map((c) =>
      c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0);
  };

  it.each([0, 1])("can be read in theme %i, on paper and as ground of paper's ink", (theme) => {
    for (const colour of COLOURS) {
      const one = luminance(value(themes(sheet("people"))[theme] ?? "", `person-${colour}`));
      const two = luminance(value(themes(sheet("base"))[theme] ?? "", "paper"));
      const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
      expect(ratio, colour).toBeGreaterThanOrEqual(4.5);
    }
  });

  it("come with two letters at most", () => {
    expect(initials("ana maria lópez")).toBe("AL");
    expect(initials("élise")).toBe("É");
    expect(initials("Guest 3f2a")).toBe("G3");
    expect(initials("👩‍🚀")).toBe("👩");
    expect(initials(" ")).toBe("?");
  });
});

describe("what others say of themselves", () => {
  const user = { id: "2", name: "bob", colour: "teal" };

  it("is taken where it has the right form, else left out", () => {
    const states = new Map<number, Record<string, unknown>>([
      [1, { user: { id: "1", name: "me", colour: "blue" } }],
      [
        2,
        { user, view: { panel: PANEL, over: PANEL, token: "position:3", point: { x: 0.5, y: 2 } } },
      ],
      [3, { user: { id: 3, name: "numbers" } }],
      [4, { user: "text", view: 7 }],
      [5, { user: { ...user, name: "ada", colour: "url(//x)" }, following: "2", idle: 1 }],
    ]);
    const peers = peersOf(states, 1);
    expect(peers.map(({ user }) => user.name)).toEqual(["ada", "bob"]);
    expect(peers[0]).toMatchObject({ user: { colour: "slate" }, following: null, idle: false });
    expect(peers[1]?.view).toEqual({ ...NOWHERE, panel: PANEL, over: PANEL, token: "position:3" });
  });

  it("names items in a form of its own", () => {
    const item = { kind: "position", index: 12 };
    expect(readItem(writeItem(item))).toEqual(item);
    for (const bad of [null, "", "position", "position:-1", "a b:1", "x:1e3", "x:12345678"])
      expect(readItem(bad)).toBeNull();
  });

  it("never has two follow each other, nor a ring", () => {
    const peer = (client: number, following: number | null) => ({
      client,
      following,
      user: { id: "", name: "", colour: "blue" as const },
      view: NOWHERE,
      idle: false,
    });
    const peers = [peer(2, 3), peer(3, 1), peer(4, 5), peer(5, 4)];
    expect(leadsBack(peers, 2, 1)).toBe(true);
    expect(leadsBack(peers, 4, 1)).toBe(false); // a ring of others ends
    expect(leadsBack(peers, 9, 1)).toBe(false);
  });
});

describe("telling what is looked at", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is at most 20 a second, the last one told, doubles not at all", () => {
    const awareness = new FakeAwareness();
    const out = createViewSender(awareness);
    for (let i = 0; i < 1000; i++) {
      out.change({ token: `position:${i}` });
      vi.advanceTimersByTime(1);
    }
    vi.advanceTimersByTime(EVERY_MS);
    expect(awareness.said.length).toBeLessThanOrEqual(20);
    expect(awareness.said.length).toBeGreaterThan(10);
    expect(awareness.said.at(-1)?.[1]).toMatchObject({ token: "position:999" });
    const before = awareness.said.length;
    out.change({ token: "position:999" });
    vi.advanceTimersByTime(1000);
    expect(awareness.said.length).toBe(before);
  });

  it("leaves a view state out that the server would not take", () => {
    const awareness = new FakeAwareness();
    const out = createViewSender(awareness);
    out.change({ panel: PANEL, state: { text: "x".repeat(3000) } });
    vi.advanceTimersByTime(1000);
    expect(awareness.said.at(-1)?.[1]).toMatchObject({ panel: PANEL, state: null });
  });
});

describe("following", () => {
  it("opens the other's panel with the view state", () => {
    const { room, opened } = createRoom("viewer");
    goWith({ ...NOWHERE, panel: NOTE, state: { layer: "7" } }, null, room);
    expect(opened).toEqual([[NOTE, { layer: "7" }]]);
  });

  it("takes over the view state of the panel that is open, and what is hovered", () => {
    const { room, opened, state, context } = createRoom("viewer");
    state.set("head", "1");
    const look = {
      ...NOWHERE,
      panel: PANEL,
      over: PANEL,
      token: "position:5",
      state: { layer: "7" },
    };
    goWith(look, null, room);
    goWith({ ...look, state: { head: "1", layer: "2" } }, look, room);
    expect(opened).toEqual([[PANEL, { layer: "7" }]]); // the second is how it stands here already
    expect(get(context.selection).hover).toEqual({ kind: "position", index: 5 });
  });

  it("stays where the other's panel is not", () => {
    const { room, opened, state } = createRoom("viewer");
    goWith({ ...NOWHERE, panel: "gone", state: { layer: "7" } }, null, room);
    expect([opened, state.all()]).toEqual([[], { layer: "2" }]);
  });
});

describe("anchors", () => {
  const none = { hover: null, primary: null, pinned: null, set: [] };
  const at = (index: number, kind = "position") => ({ kind, index });

  it("are items, with the view state they were set under", () => {
    const anchor = anchorOf({ ...none, primary: at(12) }, { layer: "3" });
    expect(anchor).toEqual({
      type: "token",
      index: 12,
      state: { layer: "3", item: "position:12" },
    });
    expect(itemsOf(anchor)).toEqual([at(12)]);
    expect(stateOf(anchor)).toEqual({ layer: "3" });
  });

  it("of a set are the span around it", () => {
    const anchor = anchorOf({ ...none, primary: at(5), set: [at(4), at(5), at(6)] }, {});
    expect(anchor).toMatchObject({ type: "span", start: 4, end: 7 });
    expect(itemsOf(anchor)).toEqual([at(4), at(5), at(6)]);
  });

  it("of what is no token are nodes, and come back as the same item", () => {
    const anchor = anchorOf({ ...none, primary: at(3, "pair") }, {});
    expect(anchor).toMatchObject({ type: "node", id: "pair:3" });
    expect(itemsOf(anchor)).toEqual([at(3, "pair")]);
  });

  it("are the cells and edges that the view knows its items as", () => {
    const cell = anchorOf({ ...none, primary: at(11, "cell") }, {}, ({ index }) => ({
      type: "cell",
      row: Math.floor(index / 4),
      column: index % 4,
    }));
    expect(cell).toMatchObject({ type: "cell", row: 2, column: 3 });
    expect(itemsOf(cell)).toEqual([at(11, "cell")]);
  });

  it("without a selection are the step that is shown", () => {
    expect(anchorOf(none, { step: "3" })).toEqual({ type: "step", index: 3, state: { step: "3" } });
    expect(anchorOf(none, { step: "x" })).toMatchObject({ type: "panel" });
  });

  it("without a selection are the panel", () => {
    expect(anchorOf(none, {})).toMatchObject({ type: "panel" });
    expect(itemsOf({ type: "panel" })).toEqual([]);
  });

  it("of a hostile span stay small", () => {
    expect(itemsOf({ type: "span", start: 0, end: 1e9 })).toHaveLength(10_000);
  });
});

describe("mentions", () => {
  it("are offered while a name is typed", () => {
    expect(typedName("ask @an", 7)).toBe("an");
    expect(typedName("ask @an", 5)).toBe("");
    expect(typedName("mail a@b.org", 12)).toBeNull();
    expect(typedName("@ana said", 9)).toBeNull();
    expect(matching(["Bea", "ana", "joana", "al"], "an")).toEqual(["ana", "joana"]);
  });

  it("are written out at the caret", () => {
    expect(complete("ask @an now", 7, "ana")).toEqual({ text: "ask @ana now", caret: 9 });
  });
});

describe("links", () => {
  it("hold for seconds that the server counts, or until they are revoked", () => {
    expect(secondsOf(7)).toBe(604_800);
    expect(secondsOf(null)).toBeNull();
  });

  it("carry the token behind #, and nothing else is taken for one", () => {
    const token = "Zm9vYmFyYmF6cXV4Zm9v-_";
    expect(tokenOf(new URL(joinAddress("https://x", token)).hash)).toBe(token);
    for (const bad of ["", "#", "#short", "#<script>alert(1)</script>", `#${"a".repeat(200)}`])
      expect(tokenOf(bad)).toBeNull();
  });
});

describe("exports", () => {
  it("are saved under the server's name, without folders", () => {
    expect(nameOf('attachment; filename="a report.html"')).toBe("a report.html");
    expect(nameOf("attachment; filename*=utf-8''na%C3%AFve.zip")).toBe("naïve.zip");
    expect(nameOf('attachment; filename="../../etc/x"')).toBe("x");
    expect(nameOf(null)).toBe("report");
  });

  it("have their panels in the order chosen", () => {
    expect(moved(["a", "b", "c"], 0, 1)).toEqual(["b", "a", "c"]);
    expect(moved(["a", "b", "c"], 2, -1)).toEqual(["a", "c", "b"]);
    expect(moved(["a", "b", "c"], 2, 1)).toEqual(["a", "b", "c"]);
  });
});

describe("marks of others in a view", () => {
  const person = (index: number) => ({
    item: { kind: "position", index },
    by: "person" as const,
    colour: "teal",
    label: "bob",
  });
  const comment = (index: number) => ({ ...person(index), by: "comment" as const, colour: null });

  it("are borders and underlines of tokens, and leave the fill alone", () => {
    const { tokens, context, view, play } = stage();
    play(CENTRED);
    const fill = tokens()[3]?.style.backgroundColor;
    putMarks(context, "people", [person(3)]);
    const stop = putMarks(context, "comments", [comment(3), comment(5)]);
    expect(tokens()[3]?.className).toMatch(/is-watched.*is-commented|is-commented.*is-watched/);
    expect(tokens()[3]?.dataset.person).toBe("teal");
    expect(tokens()[3]?.style.backgroundColor).toBe(fill);
    play(CENTRED.slice(-1)); // drawn again
    expect(tokens()[5]?.classList.contains("is-commented")).toBe(true);
    stop();
    putMarks(context, "people", [person(4)]);
    const marked = tokens().map((token) => /is-(watched|commented)/.test(token.className));
    expect(marked.indexOf(true)).toBe(4);
    expect(marked.lastIndexOf(true)).toBe(4);
    view.destroy();
  });

  it("frame columns of a matrix", () => {
    const { root, context, play, view } = stage();
    play(CENTRED);
    putMarks(context, "people", [person(2)]);
    expect(root.querySelectorAll(".column-person.person-teal")).toHaveLength(1);
    putMarks(context, "people", []);
    expect(root.querySelectorAll(".column-person")).toHaveLength(0);
    view.destroy();
  });
});
