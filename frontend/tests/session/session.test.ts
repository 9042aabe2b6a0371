// Operations on a session's document: order, undo, and edits of two at once.

import { describe, expect, it } from "vitest";
import * as Y from "yjs";
import {
  addPanel,
  captionOf,
  copyPanel,
  keepState,
  layPanel,
  movePanel,
  observe,
  panelsIn,
  removePanel,
  rename,
  stepPanel,
  titleOf,
  undoManagerOf,
} from "../../src/session/document";
import { fieldsOf } from "../../src/form/schema";
import reagent from "../../../workbench/gen/methods/reagent.json";
import { createPanelState } from "../../src/session/panelState";
import { countedFromPrompt, createSelections, textKey } from "../../src/session/selections";
import { changesTo, panelAddress, readAddress } from "../../src/session/address";
import { spanOf } from "../../src/session/resize";
import { get } from "svelte/store";
import { positionItem } from "../../src/view/position";
import { outputItem } from "../../src/views/decoding/shown";

const RUN = "7c1c3a52-94d1-4b55-8f4c-0e6a5be4f5a1";
const ids = (doc: Y.Doc) => panelsIn(doc).map(({ id }) => id);
const notes = (doc: Y.Doc) => panelsIn(doc).map(({ text }) => text?.toString());

function docOf(...texts: string[]): Y.Doc {
  const doc = new Y.Doc();
  for (const text of texts) addPanel(doc, { kind: "note", text });
  return doc;
}

function copyOf(doc: Y.Doc): Y.Doc {
  const copy = new Y.Doc();
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc));
  return copy;
}

/** What two wrote apart comes together, in either order. */
function merge(a: Y.Doc, b: Y.Doc): void {
  const [ofA, ofB] = [Y.encodeStateAsUpdate(a), Y.encodeStateAsUpdate(b)];
  Y.applyUpdate(a, ofB);
  Y.applyUpdate(b, ofA);
  expect(panelsIn(b).map(plain)).toEqual(panelsIn(a).map(plain));
}

const plain = ({ text, caption, state, ...rest }: ReturnType<typeof panelsIn>[number]) => ({
  ...rest,
  text: text?.toString(),
  caption: caption?.toString(),
  state: state?.toJSON(),
});

describe("order", () => {
  it("adds at the end and after a panel", () => {
    const doc = docOf("a", "c");
    addPanel(doc, { kind: "note", text: "b" }, ids(doc)[0]);
    expect(notes(doc)).toEqual(["a", "b", "c"]);
  });

  it("moves before another panel, to the end, and by steps", () => {
    const doc = docOf("a", "b", "c", "d");
    const [a, b, , d] = ids(doc) as [string, string, string, string];
    movePanel(doc, d, b);
    expect(notes(doc)).toEqual(["a", "d", "b", "c"]);
    movePanel(doc, a, null);
    expect(notes(doc)).toEqual(["d", "b", "c", "a"]);
    stepPanel(doc, d, 1);
    expect(notes(doc)).toEqual(["b", "d", "c", "a"]);
    stepPanel(doc, a, -1);
    expect(notes(doc)).toEqual(["b", "d", "a", "c"]);
  });

  it("leaves the document alone where nothing moves", () => {
    const doc = docOf("a", "b");
    const [a, b] = ids(doc) as [string, string];
    let updates = 0;
    doc.on("update", () => (updates += 1));
    movePanel(doc, a, a);
    movePanel(doc, a, b);
    movePanel(doc, b, null);
    stepPanel(doc, a, -1);
    stepPanel(doc, b, 1);
    movePanel(doc, "unknown", a);
    expect(updates).toBe(0);
  });

  it("puts a panel between two that were added at one place at once", () => {
    const [one, two] = [docOf(), docOf()];
    addPanel(one, { kind: "note", text: "x" });
    addPanel(two, { kind: "note", text: "y" });
    merge(one, two);
    expect(new Set(panelsIn(one).map(({ place }) => place)).size).toBe(1);
    const [first, second] = ids(one) as [string, string];
    addPanel(one, { kind: "note", text: "z" }, first);
    expect(notes(one)).toHaveLength(3);
    movePanel(one, second, first);
    expect(ids(one)[0]).toBe(second);
  });

  it("keeps both of two moves at once", () => {
    const one = docOf("a", "b", "c", "d");
    const two = copyOf(one);
    const [a, , c, d] = ids(one) as [string, string, string, string];
    movePanel(one, a, null);
    movePanel(two, d, c);
    merge(one, two);
    expect(notes(one)).toEqual(["b", "d", "c", "a"]);
  });

  it("reads no panel where there is none, and repairs a place that is none", () => {
    const doc = docOf("a");
    const map = doc.getMap("panels");
    map.set("text", "not a panel");
    map.set("half", new Y.Map([["kind", "run"]]));
    map.set("bad", new Y.Map<unknown>([["kind", "note"], ["place", "!!"], ["span", 5], ["height", NaN]])); // prettier-ignore
    expect(panelsIn(doc).map(({ id, span, height }) => [id, span, height])).toContainEqual(["bad", 12, null]); // prettier-ignore
    expect(panelsIn(doc)).toHaveLength(2);
    addPanel(doc, { kind: "note", text: "b" }, "bad");
    expect(panelsIn(doc)).toHaveLength(3);
  });
});

describe("layout and copies", () => {
  it("bounds sizes and keeps what is not named", () => {
    const doc = docOf("a");
    const [id] = ids(doc) as [string];
    layPanel(doc, id, { span: 6, height: 20.4 });
    expect(panelsIn(doc)[0]).toMatchObject({ span: 6, height: 160 });
    layPanel(doc, id, { height: null });
    expect(panelsIn(doc)[0]).toMatchObject({ span: 6, height: null });
    expect([spanOf(900, 1000), spanOf(700, 1000), spanOf(300, 1000)]).toEqual([12, 6, 4]);
  });

  it("copies a panel behind itself, with its own texts and state", () => {
    const doc = new Y.Doc();
    const id = addPanel(doc, { kind: "run", run: RUN, state: { layer: "3" }, caption: "c" });
    addPanel(doc, { kind: "note", text: "end" });
    const copy = copyPanel(doc, id) as string;
    expect(ids(doc)[1]).toBe(copy);
    captionOf(doc, copy)?.insert(1, "!");
    keepState(doc, copy, new Map([["layer", null]]));
    expect(panelsIn(doc).slice(0, 2).map(plain)).toMatchObject([
      { run: RUN, caption: "c", state: { layer: "3" } },
      { run: RUN, caption: "c!", state: {} },
    ]);
  });
});

describe("undo", () => {
  it("takes back layout, notes, deletion and the title, and does them again", () => {
    const doc = docOf("a", "b");
    const undo = undoManagerOf(doc);
    const [a, b] = ids(doc) as [string, string];
    rename(doc, "One");
    undo.stopCapturing();
    layPanel(doc, a, { span: 4 });
    undo.stopCapturing();
    removePanel(doc, b);
    undo.stopCapturing();
    undo.undo();
    expect(notes(doc)).toEqual(["a", "b"]);
    undo.undo();
    expect(panelsIn(doc)[0]?.span).toBe(12);
    undo.undo();
    expect(titleOf(doc)).toBe("");
    for (let i = 0; i < 3; i++) undo.redo();
    expect([titleOf(doc), panelsIn(doc)[0]?.span, notes(doc)]).toEqual(["One", 4, ["a"]]);
  });

  it("leaves alone what others did and what is only looked at", () => {
    const one = docOf("a");
    const undo = undoManagerOf(one);
    const [a] = ids(one) as [string];
    layPanel(one, a, { span: 6 });
    const two = copyOf(one);
    panelsIn(two)[0]?.text?.insert(1, " of two");
    merge(one, two);
    keepState(one, a, new Map([["layer", "2"]]));
    undo.undo();
    expect(plain(panelsIn(one)[0] as never)).toMatchObject({
      span: 12,
      text: "a of two",
      state: { layer: "2" },
    });
  });
});

describe("two at once", () => {
  it("merge words in one note without loss", () => {
    const one = docOf("The ball is red.");
    const two = copyOf(one);
    panelsIn(one)[0]?.text?.insert(0, "Look: ");
    panelsIn(two)[0]?.text?.insert(15, " and 😀");
    merge(one, two);
    expect(notes(one)).toEqual(["Look: The ball is red and 😀."]);
  });

  it("end alike where one deletes what the other changes", () => {
    const one = docOf("a", "b");
    const two = copyOf(one);
    const [a] = ids(one) as [string];
    removePanel(one, a);
    layPanel(two, a, { span: 4 });
    merge(one, two);
    expect(notes(one)).toEqual(["b"]);
  });

  it("tell which view states changed, and where", () => {
    const one = new Y.Doc();
    const id = addPanel(one, { kind: "run", run: RUN });
    const two = copyOf(one);
    const told: [string, string[], boolean][] = [];
    observe(one, (states, local) => {
      for (const [panel, keys] of states) told.push([panel, [...keys], local]);
    });
    keepState(two, id, new Map([["layer", "1"]]));
    merge(one, two);
    keepState(one, id, new Map([["head", "2"]]));
    expect(told).toEqual([
      [id, ["layer"], false],
      [id, ["head"], true],
    ]);
  });
});

describe("what a panel shows", () => {
  function stage(writable = true, initial: Record<string, string> = {}) {
    const kept = new Map<string, string>();
    const active = { now: true };
    const put = (changes: ReadonlyMap<string, string | null>) => {
      for (const [key, value] of changes) {
        if (value === null) kept.delete(key);
        else kept.set(key, value);
      }
    };
    const state = createPanelState(
      () => ({
        get: (key) => kept.get(key) ?? null,
        keys: () => kept.keys(),
        put: writable ? put : undefined,
      }),
      () => active.now,
      initial,
    );
    return { kept, active, state };
  }

  it("is there at once and goes into the document when there is time", () => {
    const { kept, state } = stage();
    state.set("layer", "3");
    expect([state.get("layer"), kept.size]).toEqual(["3", 0]);
    state.flush();
    expect(kept.get("layer")).toBe("3");
    state.set("layer", null);
    state.flush();
    expect([state.all(), kept.size]).toEqual([{}, 0]);
  });

  it("stays here where the document may not be changed, and in panels that are not active", () => {
    const reader = stage(false);
    reader.state.set("layer", "3");
    reader.state.flush();
    expect([reader.state.get("layer"), reader.kept.size]).toEqual(["3", 0]);
    const passive = stage();
    passive.active.now = false;
    passive.state.set("token", "3");
    passive.state.flush();
    expect([passive.state.get("token"), passive.kept.size]).toEqual(["3", 0]);
  });

  it("follows what others change, but for one's own choice", () => {
    const { kept, state } = stage();
    state.set("layer", "3");
    state.set("token", "7");
    state.flush();
    kept.set("layer", "5").set("token", "9");
    state.changed(["layer", "token"], false);
    expect(state.all()).toEqual({ layer: "5", token: "7" });
  });

  it("shows an address exactly, without writing it", () => {
    const { kept, state } = stage(true, { layer: "1" });
    kept.set("head", "2").set("layer", "0");
    expect(state.all()).toEqual({ layer: "1", head: "2" });
    state.show({ token: "4" });
    state.flush();
    expect(state.all()).toEqual({ token: "4" });
    expect(Object.fromEntries(kept)).toEqual({ head: "2", layer: "0" });
  });
});

describe("addresses", () => {
  it("hold the panel, its view state and what belongs to others", () => {
    const address = panelAddress("s", "p", { layer: "3", panel: "x" });
    expect(address).toBe("/sessions/s?panel=p&layer=3");
    const read = readAddress("?panel=p&layer=3&max=1&thread=t");
    expect(read).toEqual({ panel: "p", large: true, state: { layer: "3" } });
    const next = { panel: "q", large: false, state: { head: "1" } };
    expect(changesTo("?panel=p&layer=3&max=1&thread=t", next)).toEqual({
      layer: null,
      head: "1",
      panel: "q",
      max: null,
    });
  });
});

describe("a selection", () => {
  const fields = fieldsOf(reagent.params_schema);

  it("is shared by panels on one model and text alone", () => {
    const of = createSelections();
    const run = (prompt: string, model = "demo-lm") => ({ model, params: { prompt } });
    const one = of(run("a"), fields);
    of({ model: "demo-lm", params: { prompt: "a", chat: false } }, fields).hover(positionItem(3));
    expect(get(one).hover).toEqual(positionItem(3));
    expect(get(of(run("b"), fields)).hover).toBeNull();
    expect(get(of(run("a", "gpt2"), fields)).hover).toBeNull();
    expect(textKey(run("a"), fields)).not.toBe(textKey(run("b"), fields));
  });

  it("counts output tokens from the prompt's end where a decoder looks", () => {
    const shared = createSelections()({ model: "demo-lm", params: { prompt: "a" } }, fields);
    let length: number | null = null;
    const decoder = countedFromPrompt(shared, () => length);
    decoder.hover(outputItem(2));
    expect(get(shared).hover).toEqual(outputItem(2));
    length = 19;
    decoder.choose(outputItem(2));
    shared.hover(positionItem(4));
    expect(get(shared).primary).toEqual(positionItem(21));
    expect(get(decoder)).toMatchObject({ primary: outputItem(2), hover: positionItem(4) });
  });
});
