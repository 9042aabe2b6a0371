import { get } from "svelte/store";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createArraySource, type Numbers } from "../../src/net/arrays";
import type { EdgeMass, Layout, MethodEvent, TokenMass } from "../../src/gen/graph_kv";
import { MASK, packed } from "../../src/pictures/matrixPixels";
import { create } from "../../src/views/graph_kv";
import { stepped } from "../../src/views/graph_kv/keys";
import { isRead, maskPixels, sideOf, type Mask } from "../../src/views/graph_kv/maskPicture";
import recorded from "../fixtures/graph_kv.json";
import { drawn, stageOf } from "../stage";

const EVENTS = recorded as unknown as MethodEvent[];
const SEGMENTS = ["nora", "ring", "coat", "emma"].map((id) => ({ id, text: id }));
const GIVEN = [
  { source: "ring", target: "emma" },
  { source: "coat", target: "nora" },
];
const facts = {
  method: "graph_kv",
  params: { segments: SEGMENTS, edges: GIVEN, question: "Where is the ring?" },
  defaults: { preset: "given", edges: [], seed: 0 },
};
const onStage = (options: Parameters<typeof stageOf>[1] = {}) =>
  stageOf<MethodEvent>(create, { facts, ...options });

afterEach(() => document.body.replaceChildren());

const read = createArraySource(() => Promise.reject(new Error("inline arrays only")));
const numbers = (ref: Parameters<typeof read>[0]) => read(ref) as Numbers;
const found = <Kind extends MethodEvent["kind"]>(kind: Kind) =>
  EVENTS.find((event) => event.kind === kind) as Extract<MethodEvent, { kind: Kind }>;
const layoutOf = (mode: Layout["mode"]) =>
  EVENTS.find((event) => event.kind === "layout" && event.mode === mode) as Layout;

const figure = (root: HTMLElement, stem: string) =>
  root.querySelector(`[data-figure=${stem}]`) as HTMLElement;
const curves = (root: HTMLElement) => [...root.querySelectorAll<SVGGElement>(".curve")];
const curve = (root: HTMLElement, name: string) =>
  curves(root).find((one) => one.getAttribute("aria-label")?.startsWith(name)) as SVGGElement;
const press = (key: string, target: EventTarget = document) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const click = (target: Element) => target.dispatchEvent(new MouseEvent("click", { bubbles: true }));
const strokeOf = (one: SVGGElement) =>
  Number(one.querySelector(".value")?.getAttribute("stroke-width"));

/** The mass of a pair by names, straight from the event's numbers. */
function massOf(reader: string, source: string, layer: number | null, head: number | null): number {
  const event: EdgeMass = found("edge_mass");
  const { blocks } = layoutOf("graph");
  const ids = SEGMENTS.map(({ id }) => id);
  const names = blocks.map(({ role, segment }) => (segment === null ? role : ids[segment]));
  const row = event.readers.findIndex(
    (block, at) => names[block] === reader && names[event.sources[at] ?? -1] === source,
  );
  const [, layers = 0, heads = 0] = event.mass.shape;
  const mass = numbers(event.mass);
  const cells = Array.from({ length: layers * heads }, (_, cell) => cell).filter(
    (cell) =>
      (layer === null || Math.floor(cell / heads) === layer) &&
      (head === null || cell % heads === head),
  );
  const all = cells.map((cell) => mass[row * layers * heads + cell] ?? NaN);
  return all.reduce((sum, one) => sum + one, 0) / all.length;
}

it("live and replayed end in the same pictures", () => {
  const live = onStage({ live: true });
  live.play(EVENTS);
  const replayed = onStage();
  expect(replayed.play(EVENTS)).toBe(1);
  expect(drawn(replayed.root)).toBe(drawn(live.root));
});

it("draws what is there when a run was stopped anywhere", () => {
  for (let count = 0; count <= EVENTS.length; count += 7) {
    const { play, root, view } = onStage();
    play(EVENTS.slice(0, count));
    const layouts = EVENTS.slice(0, count).some(({ kind }) => kind === "layout");
    expect(figure(root, "graph").hidden).toBe(!layouts);
    view.destroy();
  }
});

describe("the graph", () => {
  it("is dashed until attention is measured, then as wide as it", () => {
    const { play, root } = onStage();
    const mass = EVENTS.findIndex(({ kind }) => kind === "edge_mass");
    play(EVENTS.slice(0, mass));
    const edge = () => curve(root, "emma attends to ring");
    expect(edge().querySelector(".value")?.getAttribute("stroke-dasharray")).toBe("4 4");
    expect(figure(root, "graph").textContent).toContain("not measured yet");
    play(EVENTS.slice(mass));
    expect(edge().querySelector(".value")?.getAttribute("stroke-dasharray")).toBeNull();
    expect(strokeOf(edge())).toBeCloseTo(16 * massOf("emma", "ring", null, null), 6);
    expect(curve(root, "answer attends to emma")).toBeDefined();
  });

  it("shows the layer and head that keys choose, in all pictures", () => {
    const { play, root, context, said } = onStage();
    play(EVENTS);
    for (const key of ["]", "]", "}"]) press(key);
    expect([context.state.get("layer"), context.state.get("head")]).toEqual(["1", "0"]);
    expect(said.at(-1)).toBe("layer 1, head 0");
    const edge = curve(root, "emma attends to ring");
    expect(strokeOf(edge)).toBeCloseTo(Math.max(0.75, 16 * massOf("emma", "ring", 1, 0)), 6);
    press("[");
    press("[");
    press("{");
    expect([context.state.get("layer"), context.state.get("head")]).toEqual([null, null]);
  });

  it("steps from the mean to the last and no further", () => {
    expect([
      stepped(null, 1, 3),
      stepped(2, 1, 3),
      stepped(0, -1, 3),
      stepped(null, -1, 3),
    ]).toEqual([0, 2, null, null]);
  });

  it("chooses an edge by click and by arrows, and keeps it in the address", () => {
    const { play, root, context } = onStage();
    play(EVENTS);
    click(curve(root, "nora attends to coat"));
    const chosen = () => curves(root).filter((one) => one.getAttribute("aria-selected") === "true");
    expect(chosen().map((one) => one.getAttribute("aria-label"))).toEqual([
      expect.stringMatching(/^nora attends to coat: attention 0\.\d+, cutting it/),
    ]);
    expect(context.state.get("pair")).toBe(chosen()[0]?.dataset.pair);
    expect(curves(root).filter((one) => one.getAttribute("tabindex") === "0")).toEqual(chosen());
    press("ArrowRight", chosen()[0] as SVGGElement);
    expect(chosen()[0]?.getAttribute("aria-label")).toMatch(/^emma attends to ring/);
    press("Escape");
    expect(context.state.get("pair")).toBeNull();
  });

  it("draws whose reading is asked for", () => {
    const { play, root } = onStage({ state: { readers: "edges" } });
    play(EVENTS);
    expect(curves(root)).toHaveLength(2);
    const all = figure(root, "graph").querySelector<HTMLInputElement>("input[value=all]");
    all?.click();
    const reads = layoutOf("graph").blocks.reduce((sum, block) => sum + block.reads.length, 0);
    expect(curves(root)).toHaveLength(reads);
  });

  it("pins an edge to compare with", () => {
    const { play, root, detail } = onStage();
    play(EVENTS);
    press("p");
    click(curve(root, "nora attends to coat"));
    const difference = massOf("nora", "coat", null, null) - massOf("emma", "ring", null, null);
    expect(detail.textContent).toContain("emma attends to ring");
    expect(detail.textContent).toContain(difference.toFixed(3).replace("-", "−"));
  });
});

describe("the chosen edge", () => {
  it("says what cutting it does, and runs again without it", () => {
    const { play, root, reruns } = onStage();
    play(EVENTS);
    const cut = EVENTS.filter((event) => event.kind === "knock_out")[0];
    expect(figure(root, "edge").textContent).toContain(cut?.delta.toFixed(3).replace("-", "−"));
    const button = [...figure(root, "edge").querySelectorAll("button")].find((one) =>
      one.textContent?.startsWith("Cut"),
    );
    button?.click();
    expect(reruns).toEqual([{ edges: [GIVEN[1]], preset: "given" }]);
  });

  it("cannot be cut where it was not given", () => {
    const { play, root, detail } = onStage();
    play(EVENTS);
    click(curve(root, "answer attends to emma"));
    const cuts = [
      ...figure(root, "edge").querySelectorAll("button"),
      ...detail.querySelectorAll("button"),
    ];
    const shown = cuts.filter((one) => one.textContent?.startsWith("Cut") && !one.hidden);
    expect(shown).toEqual([]);
  });

  it("is distinguished by layer and head in the table", () => {
    const { play, root } = onStage({ state: { tables: "edge" } });
    play(EVENTS);
    const rows = [...figure(root, "edge").querySelectorAll("tbody tr")];
    expect(rows).toHaveLength(20);
    const last = massOf("emma", "ring", 4, 3);
    expect(rows.at(-1)?.lastElementChild?.textContent).toBe(last.toFixed(3));
  });
});

describe("the mask", () => {
  const maskOf = (mode: Layout["mode"], mass: Mask["mass"] = null): Mask => {
    const { blocks, tokens, row_start, run_start, run_stop } = layoutOf(mode);
    const bands = blocks.map((block, slot) => ({ ...block, name: `b${slot}`, slot }));
    const [rowStart, runStart, runStop] = [row_start, run_start, run_stop].map(numbers) as [
      Numbers,
      Numbers,
      Numbers,
    ];
    return { tokens, bands, rowStart, runStart, runStop, mass, limit: 1, theme: "light" };
  };

  it.each(["graph", "sequential", "parallel", "full"] as const)(
    "of %s reads the blocks named, and itself up to each token",
    (mode) => {
      const { blocks, tokens } = layoutOf(mode);
      const mask = maskOf(mode);
      const blockOf = (token: number) =>
        blocks.findIndex(({ start, tokens: own }) => token >= start && token < start + own);
      for (let row = 0; row < tokens; row++) {
        for (let column = 0; column < tokens; column++) {
          const [reader, source] = [blockOf(row), blockOf(column)];
          const expected =
            reader === source ? column <= row : blocks[reader]?.reads.includes(source);
          expect(isRead(mask, { row, column })).toBe(expected);
        }
      }
    },
  );

  it("never paints what is masked as no attention", () => {
    const { tokens, blocks } = layoutOf("graph");
    const nothing = maskOf(
      "graph",
      blocks.map(() => new Float64Array(tokens)),
    );
    const check = MASK.light.map(packed);
    const colours = maskPixels(nothing);
    for (let at = 0; at < tokens * tokens; at++) {
      const cell = { row: Math.floor(at / tokens), column: at % tokens };
      expect(check.includes(colours[at] ?? 0)).toBe(!isRead(nothing, cell));
    }
  });

  it("of a long text is drawn every few tokens", () => {
    const tokens = 3000;
    const causal: Mask = {
      tokens,
      bands: [{ name: "all", start: 0, tokens, position: 0, slot: 0 }],
      rowStart: Int32Array.from({ length: tokens + 1 }, (_, row) => row),
      runStart: new Int32Array(tokens),
      runStop: Int32Array.from({ length: tokens }, (_, row) => row + 1),
      mass: null,
      limit: 0,
      theme: "dark",
    };
    const side = sideOf(causal);
    const colours = maskPixels(causal);
    expect(colours).toHaveLength(1024 * 1024);
    const check = new Set(MASK.dark.map(packed));
    for (let at = 0; at < side; at++) {
      expect(check.has(colours[at * side + at] ?? 0)).toBe(false);
      if (at + 1 < side) expect(check.has(colours[at * side + at + 1] ?? 0)).toBe(true);
    }
  });

  it("names tokens with their positions, by keyboard too", () => {
    const { play, root } = onStage();
    play(EVENTS);
    const holder = figure(root, "mask").querySelector(".matrix") as HTMLElement;
    press("ArrowUp", holder);
    const said = () => figure(root, "mask").querySelector(".readout")?.textContent;
    const { blocks } = layoutOf("graph");
    expect(said()).toMatch(
      /^“:” \(answer, position id \d+\) attends to “<s>” \(prefix, position id 0\): 0/,
    );
    expect(said()).toContain(`position id ${blocks.at(-1)?.position}`);
    for (let step = 0; step < 3; step++) press("ArrowUp", holder);
    for (let step = 0; step < 60; step++) press("ArrowRight", holder);
    expect(said()).toContain("does not attend to");
    expect(said()).toContain("masked");
  });

  it("shows another arrangement's, without attention", () => {
    const { play, root } = onStage({ state: { mask: "full" } });
    play(EVENTS);
    const modes = figure(root, "mask").querySelector("select") as HTMLSelectElement;
    expect(modes.value).toBe("full");
    expect(modes.options).toHaveLength(6);
    expect(figure(root, "mask").textContent).toContain("blue: causal attention within the block");
    expect(figure(root, "positions").querySelectorAll(".position-row")).toHaveLength(11);
    expect(figure(root, "positions").textContent).toContain("ring, round 1");
  });
});

describe("arrangements", () => {
  it("are compared, and full is said to be more than sequential", () => {
    const { play, root } = onStage();
    play(EVENTS);
    const text = figure(root, "arrangements").textContent ?? "";
    for (const event of EVENTS) {
      if (event.kind !== "arrangement") continue;
      expect(text).toContain(event.logprob.toFixed(3).replace("-", "−"));
    }
    expect(text).toContain(`${layoutOf("full").relative_area.toFixed(3)} (more)`);
    expect(text).toContain("answer worse with a graph");
    expect(text.match(/✗ incorrect/g)).toHaveLength(6);
  });

  it("show a dot for every order, and which are flat", () => {
    const { play, root } = onStage();
    play(EVENTS);
    const orders = figure(root, "orders");
    expect(orders.querySelectorAll("circle")).toHaveLength(48);
    const notes = [...orders.querySelectorAll(".mode")].map((one) => [
      one.querySelector(".mode-name")?.textContent,
      one.querySelector(".mode-note")?.textContent?.startsWith("flat"),
    ]);
    expect(notes).toEqual([
      ["graph", true],
      ["graph ordered", false],
      ["sequential", false],
      ["parallel", true],
      ["full", false],
      ["random edges", true],
    ]);
  });
});

describe("the text", () => {
  it("carries the chosen reader's attention, all of it", () => {
    const { play, root } = onStage({ state: { tables: "text" } });
    play(EVENTS);
    const strip = figure(root, "text");
    const masked = [...strip.querySelectorAll(".token.masked")];
    const { blocks } = layoutOf("graph");
    const reader = blocks.findIndex(({ segment }) => segment === 3);
    const read = new Set([reader, ...(blocks[reader]?.reads ?? [])]);
    const unread = blocks.filter((_, at) => !read.has(at));
    expect(masked).toHaveLength(unread.reduce((sum, { tokens }) => sum + tokens, 0));
    const cells = [...strip.querySelectorAll("tbody tr")].map((row) => [...row.children]);
    const sum = cells.reduce((all, row) => all + (Number(row[3]?.textContent) || 0), 0);
    expect(sum).toBeCloseTo(1, 2);
    expect(cells.filter((row) => row[3]?.textContent === "–")).toHaveLength(masked.length);
  });

  it("changes its reader", () => {
    const { play, root, context } = onStage();
    play(EVENTS);
    const readers = figure(root, "text").querySelector("select") as HTMLSelectElement;
    const { blocks } = layoutOf("graph");
    readers.value = String(blocks.length - 1);
    readers.dispatchEvent(new Event("change"));
    expect(figure(root, "text").querySelectorAll(".token.masked")).toHaveLength(0);
    expect(get(context.selection).primary?.kind).toBe("pair");
  });

  it("reads the same numbers as the event", () => {
    const event: TokenMass = found("token_mass");
    const [layers = 0, blocks = 0, tokens = 0] = event.mass.shape;
    const mass = numbers(event.mass);
    const { play, root } = onStage({ state: { layer: "2", tables: "text" } });
    play(EVENTS);
    const reader = layoutOf("graph").blocks.findIndex(({ segment }) => segment === 3);
    const own = layoutOf("graph").blocks[reader]?.start ?? 0;
    const cell = mass[(2 * blocks + reader) * tokens + own] ?? 0;
    const row = [...figure(root, "text").querySelectorAll("tbody tr")][own];
    expect(row?.children[3]?.textContent).toBe(cell.toFixed(3));
    expect(layers).toBe(5);
  });
});

it("shows hostile ids and texts as text", () => {
  const hostile = "<img src=x onerror=alert(1)>";
  const { play, root, detail } = onStage({ state: { tables: "graph,text,positions,orders" } });
  play(
    EVENTS.map((event) => {
      if (event.kind === "segments") {
        return { ...event, segments: event.segments.map((one) => ({ ...one, id: hostile })) };
      }
      if (event.kind === "segment_tokens") {
        return { ...event, tokens: event.tokens.map((one) => ({ ...one, text: hostile })) };
      }
      return event.kind === "arrangement" ? { ...event, text: hostile } : event;
    }),
  );
  for (const place of [root, detail]) expect(place.querySelector("img, [onerror]")).toBeNull();
  expect(root.textContent).toContain(hostile);
});

it.each(["graph", "arrangements", "edge", "text", "mask", "positions", "orders", "sinks"])(
  "takes %s away as SVG, CSV and JSON",
  async (stem) => {
    const saved: Blob[] = [];
    vi.stubGlobal("URL", {
      createObjectURL: (blob: Blob) => `blob:${saved.push(blob)}`,
      revokeObjectURL: () => undefined,
    });
    const stop = (event: Event) => event.preventDefault();
    document.addEventListener("click", stop);
    const { play, root } = onStage();
    play(EVENTS);
    for (const kind of ["SVG", "CSV", "JSON"]) {
      const buttons = figure(root, stem).querySelectorAll<HTMLElement>(".figure-tools button");
      [...buttons].find((one) => one.textContent === kind)?.click();
    }
    document.removeEventListener("click", stop);
    vi.unstubAllGlobals();
    const texts = await Promise.all(saved.map(textOf));
    const svg = new DOMParser().parseFromString(texts[0] ?? "", "image/svg+xml");
    expect(svg.querySelector("parsererror")).toBeNull();
    expect(svg.documentElement.textContent).toContain("graph_kv v1");
    expect((texts[1] ?? "").split("\r\n").length).toBeGreaterThan(2);
    expect(JSON.parse(texts[2] ?? "null")).toBeInstanceOf(Object);
  },
);

function textOf(blob: Blob): Promise<string> {
  const reader = new FileReader();
  return new Promise((resolve) => {
    reader.onload = () => resolve(String(reader.result));
    reader.readAsText(blob);
  });
}

it("leaves nothing behind when it is destroyed", () => {
  const { play, view, root, detail } = onStage();
  play(EVENTS);
  view.destroy();
  expect(root.querySelector("figure")).toBeNull();
  expect(detail.childNodes).toHaveLength(0);
});
