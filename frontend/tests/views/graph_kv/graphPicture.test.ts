// The graph of segments: curves between boxes, labels on them; and answers of no probability.

import { afterEach, describe, expect, it } from "vitest";
import type { MethodEvent } from "../../../src/gen/graph_kv";
import { create } from "../../../src/views/graph_kv";
import {
  createRouter,
  labelPlace,
  pathOf,
  pointOf,
  sharedArea,
  type Box,
} from "../../../src/views/graph_kv/graphRoute";
import recorded from "../../fixtures/graph_kv.json";
import { stageOf } from "../../stage";

afterEach(() => document.body.replaceChildren());

const EVENTS = recorded as unknown as MethodEvent[];
const SIZE = { width: 100, height: 52 };
const GAP = 26;
const columns = (...counts: number[]): Box[] =>
  counts.flatMap((count, column) =>
    Array.from({ length: count }, (_, line) => ({
      x: 10 + column * 150,
      y: GAP + (line + (5 - count) / 2) * (SIZE.height + GAP),
      ...SIZE,
    })),
  );
const inside = ([x, y]: readonly [number, number], box: Box, by = 0) =>
  x > box.x && x < box.x + box.width && y > box.y - by && y < box.y + box.height + by;
const SHARES = Array.from({ length: 41 }, (_, i) => i / 40);

describe("a curve", () => {
  it.each([
    [2, 3, 2],
    [5, 5, 5, 5],
    [1, 5, 4, 1],
    [3, 1, 1, 1, 3],
  ])("runs under no box of %j columns", (...counts) => {
    const boxes = columns(...counts);
    const route = createRouter(boxes, GAP);
    const [first] = boxes.map(({ x }) => x);
    const last = boxes.at(-1)?.x;
    for (const from of boxes.filter(({ x }) => x === first)) {
      for (const to of boxes.filter(({ x }) => x === last)) {
        const legs = route(from, to, 12);
        const points = legs.flatMap((leg) => SHARES.map((share) => pointOf(leg, share)));
        const under = boxes.filter((box) => points.some((point) => inside(point, box, 6)));
        expect(under.filter((box) => box.x > from.x && box.x < to.x)).toEqual([]);
        expect(points[0]).toEqual([from.x + 100, from.y + 26]);
        expect(points.at(-1)).toEqual([to.x, to.y + 26]);
        expect(pathOf(legs)).not.toContain("NaN");
      }
    }
  });

  it("that shares a gap with another is next to it", () => {
    const boxes = columns(1, 2, 1);
    const route = createRouter(boxes, GAP);
    const [from, , , to] = boxes as [Box, Box, Box, Box];
    const heights = [1, 2, 3].map(() => route(from, to, 2)[1]?.from[1]);
    expect(new Set(heights).size).toBe(3);
  });
});

describe("a label", () => {
  it("finds a place of its own on its curve", () => {
    const boxes = columns(1, 5);
    const [from = boxes[0] as Box, ...readers] = boxes;
    const route = createRouter(boxes, GAP);
    const taken = [...boxes];
    for (const to of readers) {
      const legs = route(from, to, 4);
      const tag = labelPlace(legs, [36, 16], taken);
      expect(taken.map((other) => sharedArea(other, tag))).toEqual(taken.map(() => 0));
      taken.push(tag);
    }
  });
});

describe("the graph of a run", () => {
  const segments = ["nora", "ring", "coat", "emma"].map((id) => ({ id, text: id }));
  const played = (state: Record<string, string> = {}) => {
    const facts = { method: "graph_kv", params: { segments, edges: [] }, defaults: {} };
    const stage = stageOf<MethodEvent>(create, { facts, state });
    stage.play(EVENTS);
    return stage.root.querySelector("[data-figure=graph]") as HTMLElement;
  };
  const number = (node: Element | null, name: string) => Number(node?.getAttribute(name));
  const moved = (node: Element) =>
    /translate\(([-\d.]+),([-\d.]+)\)/.exec(node.getAttribute("transform") ?? "")?.slice(1);
  const boxOf = (node: Element): Box => {
    const [x = 0, y = 0] = (moved(node) ?? []).map(Number);
    const rect = node.querySelector("rect");
    return { x, y, width: number(rect, "width"), height: number(rect, "height") };
  };

  it.each([{}, { readers: "all" }, { readers: "edges" }])(
    "has each number on a plate in front of the curves, apart from boxes: %j",
    (state) => {
      const graph = played(state as Record<string, string>);
      const tags = [...graph.querySelectorAll(".tag")];
      expect(tags.length).toBeGreaterThan(0);
      const boxes = [...graph.querySelectorAll(".node")].map(boxOf);
      for (const tag of tags) {
        expect(tag.querySelector("rect")?.getAttribute("fill")).toMatch(/^#|^rgb/);
        const place = boxOf(tag);
        const others = [...boxes, ...tags.filter((one) => one !== tag).map(boxOf)];
        expect(others.filter((other) => sharedArea(other, place) > 0)).toEqual([]);
      }
      const layers = [...(graph.querySelector(".tag")?.closest("svg > g")?.children ?? [])];
      const at = (part: string) => layers.findIndex((one) => one.querySelector(part));
      expect(at(".tag")).toBeGreaterThan(at(".curve"));
    },
  );

  it("says in each box how its text begins", () => {
    const nodes = [...played().querySelectorAll(".node")];
    expect(nodes.length).toBeGreaterThan(3);
    for (const node of nodes) {
      const text = node.querySelector(".node-text")?.textContent ?? "";
      expect(text.length).toBeGreaterThan(0);
      const whole = node.querySelector("title")?.textContent ?? "";
      const name = node.querySelector(".node-name")?.textContent ?? "";
      expect(whole.startsWith(name.slice(0, 3))).toBe(true);
    }
  });
});

describe("arrangements", () => {
  const shown = (events: readonly MethodEvent[]) => {
    const stage = stageOf<MethodEvent>(create, { facts: { method: "graph_kv" } });
    stage.play(events);
    return stage.root.querySelector("[data-figure=arrangements]")?.textContent ?? "";
  };

  it.each([
    ["no token of which is probable", [-9, -12], true],
    ["one token of which is not", [-0.01, -9], true],
    ["that is long, each token probable", Array.from({ length: 40 }, () => -0.7), false],
    ["of one probable token", [-0.1], false],
  ])("say whether there is anything to explain of an answer %s", (_, logprobs, nothing) => {
    const logprob = logprobs.reduce((sum, one) => sum + one, 0);
    const improbable = { logprob, token_logprobs: logprobs };
    const changed = EVENTS.map((event) =>
      event.kind === "arrangement" ? { ...event, ...improbable } : event,
    );
    const said = shown(changed);
    expect(said.includes("nothing to explain")).toBe(nothing);
  });

  it("are worth explaining where one of them gives the answer", () => {
    let first = true;
    const changed = EVENTS.map((event) => {
      if (event.kind !== "arrangement") return event;
      const logprob = first ? -0.2 : -20;
      first = false;
      return { ...event, logprob, token_logprobs: [logprob] };
    });
    expect(shown(changed)).not.toContain("nothing to explain");
  });
});
