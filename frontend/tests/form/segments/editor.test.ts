import { describe, expect, it } from "vitest";
import { check, fieldsOf, type Field } from "../../../src/form/schema";
import {
  appended,
  freeId,
  lengthOf,
  moved,
  NOTHING,
  withEdge,
  withoutEdge,
  withoutSegment,
  withSegment,
  withText,
  type Documents,
  type Segment,
} from "../../../src/form/segments/documents";
import { begun, changed, redone, undone } from "../../../src/form/segments/history";
import { layoutOf } from "../../../src/form/segments/layout";
import { BadDocuments, readDocuments } from "../../../src/form/segments/reading";
import { cycleOf, presetEdges, ranked, roundsOf } from "../../../src/form/segments/structure";

const segment = (id: string, score: number | null = null): Segment => ({ id, text: id, score });
const SEGMENTS = ["a", "b", "c", "d", "e"].map((id) => segment(id));
const edges = (...pairs: string[]) =>
  pairs.map((pair) => ({ source: pair[0] ?? "", target: pair[1] ?? "" }));
const pairs = (found: { source: string; target: string }[]) =>
  found.map(({ source, target }) => source + target);
const graph = (...drawn: string[]): Documents => ({ segments: SEGMENTS, edges: edges(...drawn) });

describe("documents", () => {
  it("get ids that are free, also after one was deleted", () => {
    const three = ["x", "y", "z"].reduce(withSegment, NOTHING);
    expect(three.segments.map(({ id }) => id)).toEqual(["1", "2", "3"]);
    expect(freeId(withoutSegment(three, "2").segments)).toBe("2");
  });

  it("lose the edges of a segment that is deleted, and no others", () => {
    const { segments, edges: left } = withoutSegment(graph("ab", "bc", "cd"), "b");
    expect(segments.map(({ id }) => id)).toEqual(["a", "c", "d", "e"]);
    expect(pairs([...left])).toEqual(["cd"]);
  });

  it("keep their edges when they move, and do not move beyond the ends", () => {
    const before = graph("ab");
    expect(moved(before, "a", -1)).toBe(before);
    expect(moved(before, "e", 1)).toBe(before);
    expect(moved(before, "missing", 1)).toBe(before);
    const after = moved(before, "a", 2);
    expect(after.segments.map(({ id }) => id).join("")).toBe("bcade");
    expect(after.edges).toBe(before.edges);
  });

  it("hold an edge once, and none to itself", () => {
    const before = graph("ab");
    expect(withEdge(before, { source: "a", target: "b" })).toBe(before);
    expect(withEdge(before, { source: "a", target: "a" })).toBe(before);
    const both = withEdge(before, { source: "b", target: "a" });
    expect(pairs([...both.edges])).toEqual(["ab", "ba"]);
    expect(pairs([...withoutEdge(both, { source: "a", target: "b" }).edges])).toEqual(["ba"]);
  });

  it("change one text alone, and count it by characters and words", () => {
    const after = withText(graph(), "b", "Grüße, 👩‍🚀 an  Tom");
    expect(after.segments.map(({ text }) => text)[1]).toBe("Grüße, 👩‍🚀 an  Tom");
    expect(after.segments[0]).toBe(SEGMENTS[0]);
    expect(lengthOf("a 😀")).toBe("3 characters, 2 words");
    expect(lengthOf("")).toBe("0 characters, 0 words");
    expect(lengthOf("x")).toBe("1 character, 1 word");
  });

  it("are added behind others under ids of their own", () => {
    const two = appended(withSegment(NOTHING, "x"), [segment("1", 0.5)]);
    expect(two.segments[1]).toEqual({ id: "2", text: "1", score: 0.5 });
    expect(appended(two, [segment("free")]).segments[2]?.id).toBe("free");
  });
});

describe("history", () => {
  it("undoes and redoes, and a change forgets what was undone", () => {
    let history = begun(0);
    for (const value of [1, 2, 3]) history = changed(history, value);
    history = undone(undone(history));
    expect(history.now).toBe(1);
    expect(redone(history).now).toBe(2);
    history = changed(history, 9);
    expect(redone(history).now).toBe(9);
    expect(undone(undone(undone(history))).now).toBe(0);
  });

  it("joins changes of one part until another comes between", () => {
    let history = begun("");
    for (const text of ["a", "ab"]) history = changed(history, text, "text 1");
    history = changed(history, "other");
    history = changed(history, "other!", "text 1");
    expect([history.now, undone(history).now]).toEqual(["other!", "other"]);
    expect(undone(undone(history)).now).toBe("ab");
    expect(undone(undone(undone(history))).now).toBe("");
  });

  it("takes the same value for no change", () => {
    const history = begun(SEGMENTS);
    expect(changed(history, SEGMENTS)).toBe(history);
  });
});

describe("structure", () => {
  it("names a cycle in the order of its edges", () => {
    expect(cycleOf(edges("ab", "bc", "cd"))).toBeNull();
    expect(cycleOf(edges("ab", "bc", "ca", "de"))).toEqual(["c", "a", "b", "c"]);
    expect(cycleOf(edges("aa"))).toEqual(["a", "a"]);
    expect(cycleOf(edges("ab", "ba"))).toEqual(["b", "a", "b"]);
  });

  it("reads a segment one round after the latest of its sources", () => {
    const rounds = roundsOf(graph("ab", "bc", "ac", "dc"));
    expect(Object.fromEntries(rounds)).toEqual({ a: 0, b: 1, c: 2, d: 0, e: 0 });
  });

  it("still gives every segment a place where there is a cycle", () => {
    const { places, columns } = layoutOf(graph("ab", "bc", "ca"));
    expect(places.size).toBe(5);
    expect(columns).toBe(3);
    const lines = [...places.values()].map(({ column, line }) => `${column}/${line}`);
    expect(new Set(lines).size).toBe(5);
  });

  it("survives an edge to a segment that is not there", () => {
    expect(roundsOf(graph("az", "za")).size).toBe(5);
    expect(layoutOf({ segments: [], edges: edges("ab") }).columns).toBe(0);
  });

  it("ranks by score; without one a segment is last, in its order", () => {
    const mixed = [segment("a"), segment("b", -1), segment("c", 2), segment("d"), segment("e", 2)];
    expect(
      ranked(mixed)
        .map(({ id }) => id)
        .join(""),
    ).toBe("cebad");
  });

  it.each([
    ["top_m", 2, ["ac", "ad", "ae", "bc", "bd", "be"]],
    ["chains", 1, ["ab", "ac", "ad", "be", "ce", "de"]],
    ["star", 1, ["ba", "ca", "da", "ea"]],
    ["none", 1, []],
    ["all", 1, ["ab", "ac", "bc", "ad", "bd", "cd", "ae", "be", "ce", "de"]],
  ] as const)("has the preset %s", (preset, sources, expected) => {
    const found = presetEdges(SEGMENTS, preset, sources);
    expect(pairs(found)).toEqual(expected);
    expect(cycleOf(found)).toBeNull();
  });
});

describe("reading documents", () => {
  const LIMITS = { segments: 4, characters: 20 };
  const read = (text: string) =>
    readDocuments(text, LIMITS).map((one) => [one.id, one.text, one.score]);

  it("splits a text at blank lines, whatever the line ends", () => {
    expect(read("one\nline\n\n two \r\n\r\n\t\r\nthree\n")).toEqual([
      ["1", "one\nline", null],
      ["2", "two", null],
      ["3", "three", null],
    ]);
  });

  it("reads a list of texts, with ids and scores where there are some", () => {
    expect(
      read(' ["a", {"id": "x", "text": "b", "score": 0.5}, {"text": "c", "score": null}]'),
    ).toEqual([
      ["1", "a", null],
      ["x", "b", 0.5],
      ["3", "c", null],
    ]);
  });

  it.each([
    ["", /no document/],
    [" \n\n ", /no document/],
    ["[]", /no document/],
    ["a\n\nb\n\nc\n\nd\n\ne", /5 documents; the limit is 4/],
    ["123456789012345678901", /Document 1 has 21 characters; the limit is 20/],
    ['["a", ', /JSON is invalid/],
    ['{"text": "a"}', /not a list/],
    ["[1]", /Document 1 is 1/],
    ['["a", null]', /Document 2 is null/],
    ['[["a"]]', /Document 1 is \["a"\]/],
    ['[{"score": 1}]', /Document 1: text is missing/],
    ['[{"text": 3}]', /Document 1: text is 3/],
    ['[{"text": "a", "score": "high"}]', /Document 1: score is "high"/],
    ['[{"text": "a", "rank": 1}]', /Document 1 has "rank"/],
    ['["a", "  "]', /Document 2 is empty/],
    ['[{"id": 3, "text": "a"}]', /Document 1: id is 3/],
    ['[{"id": "x", "text": "a"}, {"id": "x", "text": "b"}]', /id "x" is used twice/],
    ['["a", {"id": "1", "text": "b"}]', /id "1" is used twice/],
  ])("refuses %j and says why", (text, reason) => {
    expect(() => read(text)).toThrow(BadDocuments);
    expect(() => read(text)).toThrow(reason);
  });
});

describe("the field", () => {
  const SCHEMA = {
    $defs: { Segment: { type: "object", properties: { text: { type: "string", maxLength: 5 } } } },
    properties: {
      segments: {
        type: "array",
        items: { $ref: "#/$defs/Segment" },
        minItems: 1,
        maxItems: 2,
        widget: "segments",
      },
      edges: { type: "array", default: [], widget: "edges" },
    },
    required: ["segments"],
  };
  const [segments] = fieldsOf(SCHEMA) as [Field, Field];

  it("takes its limits from the schema", () => {
    expect(fieldsOf(SCHEMA).map(({ control }) => control)).toEqual(["segments", "edges"]);
    expect(segments.bounds.max).toBe(2);
    expect(segments.texts.max).toBe(5);
    expect(segments.default).toEqual([]);
  });

  it.each([
    [[], "Add at least 1 segment."],
    [["a", "b", "c"], "3 segments; at most 2."],
    [["a", " "], "Segment 2 is empty."],
    [["abcdef"], "Segment 1 has 6 characters; at most 5."],
    [["abcde", "b"], null],
  ])("checks %j", (texts, message) => {
    const value = texts.map((text, at) => ({ id: String(at + 1), text, score: null }));
    expect(check(segments, value)).toBe(message);
  });
});
