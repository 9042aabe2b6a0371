// Every figure of every recorded run, as it leaves the page: no text is cut by the sheet's edge.

import { afterEach, describe, expect, it } from "vitest";
import { sourceOf } from "../src/pictures/figure";
import type { Group } from "../src/pictures/layer";
import { createSheet, measure, wrap } from "../src/pictures/sheet";
import { drawStrip } from "../src/pictures/tokenStripSvg";
import { create as createCntp } from "../src/views/cntp";
import { create as createGraph } from "../src/views/graph_kv";
import { create as createFlow } from "../src/views/information_flow";
import { create as createLeap } from "../src/views/local_leap";
import { create as createReagent } from "../src/views/reagent";
import { create as createSeg } from "../src/views/seg_similarity";
import type { CreateView } from "../src/view/view";
import centred from "./fixtures/centred.json";
import cntp from "./fixtures/cntp.json";
import graph from "./fixtures/graph_kv.json";
import pictures from "./fixtures/information_flow.json";
import flow from "./fixtures/information_flow_text.json";
import leap from "./fixtures/local_leap.json";
import paper from "./fixtures/paper.json";
import seg from "./fixtures/seg_similarity.json";
import { FACTS, stageOf } from "./stage";

afterEach(() => document.body.replaceChildren());

type Any = CreateView<{ kind: string }>;
const RUNS: [string, unknown, unknown, number][] = [
  ["reagent", createReagent, centred, 3],
  ["reagent as published", createReagent, paper, 2],
  ["cntp", createCntp, cntp, 5],
  ["local_leap", createLeap, leap, 5],
  ["graph_kv", createGraph, graph, 6],
  ["information_flow of text", createFlow, flow, 6],
  ["information_flow of images", createFlow, pictures, 3],
  ["seg_similarity", createSeg, seg, 3],
];

/** What an SVG transform of moves, turns and scales does to a point. */
function matrixOf(transform: string): DOMMatrixLike {
  let at: DOMMatrixLike = [1, 0, 0, 1, 0, 0];
  for (const [, name, given = ""] of transform.matchAll(/(\w+)\(([^)]*)\)/g)) {
    const [x = 0, y] = given.split(/[ ,]+/).map(Number);
    const [cos, sin] = [Math.cos((x * Math.PI) / 180), Math.sin((x * Math.PI) / 180)];
    if (name === "translate") at = times(at, [1, 0, 0, 1, x, y ?? 0]);
    else if (name === "scale") at = times(at, [x, 0, 0, y ?? x, 0, 0]);
    else if (name === "rotate") at = times(at, [cos, sin, -sin, cos, 0, 0]);
    else throw new Error(`no such transform here: ${name}`);
  }
  return at;
}
type DOMMatrixLike = [number, number, number, number, number, number];
const times = (m: DOMMatrixLike, n: DOMMatrixLike): DOMMatrixLike => [
  m[0] * n[0] + m[2] * n[1],
  m[1] * n[0] + m[3] * n[1],
  m[0] * n[2] + m[2] * n[3],
  m[1] * n[2] + m[3] * n[3],
  m[0] * n[4] + m[2] * n[5] + m[4],
  m[1] * n[4] + m[3] * n[5] + m[5],
];

/** An attribute that the element or what holds it sets. */
const inherited = (node: Element, name: string) =>
  node.closest(`[${name}]`)?.getAttribute(name) ?? null;

const EM = /^(-?[\d.]+)(em)?$/;
function lengthOf(text: string | null, size: number): number {
  const [, value = "0", em] = EM.exec(text ?? "0") ?? [];
  return Number(value) * (em ? size : 1);
}

/** Corners of a text's baseline in the sheet. */
function ends(text: Element): [number, number][] {
  const size = Number(inherited(text, "font-size") ?? 13);
  const weight = Number(inherited(text, "font-weight") ?? 400);
  const width = measure(text.textContent ?? "", size, weight);
  const anchor = inherited(text, "text-anchor");
  const back = anchor === "end" ? width : anchor === "middle" ? width / 2 : 0;
  const x = lengthOf(text.getAttribute("x"), size) + lengthOf(text.getAttribute("dx"), size) - back;
  const y = lengthOf(text.getAttribute("y"), size) + lengthOf(text.getAttribute("dy"), size);
  let at: DOMMatrixLike = [1, 0, 0, 1, 0, 0];
  for (let node: Element | null = text; node; node = node.parentElement)
    at = times(matrixOf(node.getAttribute("transform") ?? ""), at);
  return [x, x + width].map((px) => [
    at[0] * px + at[2] * y + at[4],
    at[1] * px + at[3] * y + at[5],
  ]);
}

function cut(svg: SVGSVGElement): string[] {
  const [width, height] = ["width", "height"].map((name) => Number(svg.getAttribute(name)));
  return [...svg.querySelectorAll("text")].flatMap((text) => {
    if (!text.textContent) return [];
    const out = ends(text).filter(
      ([x, y]) => x < -0.5 || y < -0.5 || x > Number(width) + 0.5 || y > Number(height) + 0.5,
    );
    const [at] = out;
    return at ? [`${text.textContent} at ${at.map(Math.round).join(", ")} of ${width}`] : [];
  });
}

const LONG_FACTS = {
  ...FACTS,
  params: { ...FACTS.params, stop: "x".repeat(60), a_parameter_with_a_name: 1, another_one: 2.5 },
};

describe("a figure that leaves the page", () => {
  it.each(RUNS)("holds all its texts: %s", (name, create, events, least) => {
    const view = stageOf(create as Any, { facts: LONG_FACTS });
    view.play(events as { kind: string }[]);
    const figures = [...view.root.querySelectorAll<HTMLElement>("figure:not([hidden])")];
    const drawn = figures.flatMap((figure) => {
      const svg = sourceOf(figure)?.svg?.();
      return svg ? [[figure.dataset.figure ?? "", svg] as const] : [];
    });
    expect(drawn.length, name).toBeGreaterThanOrEqual(least);
    const found = drawn.flatMap(([stem, svg]) => cut(svg).map((text) => `${stem}: ${text}`));
    expect(found).toEqual([]);
    view.view.destroy();
  });

  it("breaks what is said of a strip", () => {
    const sheet = createSheet("Strips", "light", FACTS);
    const sections = [{ label: "agrees in many words ".repeat(20), tokens: [] }];
    const size = drawStrip(sheet.body as Group, sections, 300, "light");
    expect(cut(sheet.finish(size.width, size.height))).toEqual([]);
  });

  it("breaks a title and a source line of any length", () => {
    const sheet = createSheet(`Who reads “${"tok".repeat(120)}” and why `.repeat(4), "light", {
      ...LONG_FACTS,
      model: "m".repeat(300),
    });
    const top = sheet.finish(120, 40);
    expect(cut(top)).toEqual([]);
    expect(top.querySelectorAll("text").length).toBeGreaterThan(8);
    const body = matrixOf(sheet.body.attr("transform"));
    const titles = [...top.querySelectorAll("text[font-weight='600']")].flatMap(ends);
    expect(Math.max(...titles.map(([, y]) => y))).toBeLessThan(body[5]);
  });
});

describe("wrap", () => {
  it("keeps each line within the width and every letter", () => {
    const text = `a few short words and ${"x".repeat(90)} one that is long`;
    const lines = wrap(text, 150);
    for (const line of lines) expect(measure(line, 10.5)).toBeLessThanOrEqual(150);
    expect(lines.join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
    expect(wrap("", 100)).toEqual([""]);
  });
});
