import { get } from "svelte/store";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { MethodEvent } from "../../src/gen/information_flow";
import { create } from "../../src/views/information_flow";
import recorded from "../fixtures/information_flow.json";
import { drawn, stageOf } from "../stage";

const EVENTS = recorded as unknown as MethodEvent[];
const facts = {
  method: "information_flow",
  params: { prompt: "a red square and a shiny ball", pictures: 2 },
  defaults: { pictures: 4, seed: 0 },
};
const onStage = (options: Parameters<typeof stageOf>[1] = {}) =>
  stageOf<MethodEvent>(create, { facts, ...options });

afterEach(() => document.body.replaceChildren());

const figure = (root: HTMLElement, stem: string) =>
  root.querySelector(`[data-figure=${stem}]`) as HTMLElement;
const cells = (root: HTMLElement, stem: string) => [
  ...figure(root, stem).querySelectorAll<HTMLElement>(".picture-tile"),
];
const badges = (root: HTMLElement, stem: string) =>
  cells(root, stem).map((cell) =>
    [...cell.querySelectorAll(".badge")].map((badge) => badge.textContent),
  );
const press = (target: EventTarget, key: string) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));

it("live and replayed end in the same pictures", () => {
  const live = onStage({ live: true });
  live.play(EVENTS);
  const replayed = onStage();
  expect(replayed.play(EVENTS)).toBe(1);
  expect(drawn(replayed.root)).toBe(drawn(live.root));
});

describe("a grid", () => {
  it("is complete before its pictures come, and does not move when they do", () => {
    const { play, root } = onStage();
    const first = EVENTS.findIndex((event) => event.kind === "picture");
    play(EVENTS.slice(0, first));
    const before = cells(root, "items");
    expect(before).toHaveLength(6); // the prompt and two items, two pictures each
    expect(before.every((cell) => cell.classList.contains("waiting"))).toBe(true);
    expect(before[0]?.getAttribute("aria-label")).toContain("not drawn yet");
    play(EVENTS.slice(first));
    expect(cells(root, "items")).toEqual(before);
    expect(
      before.every((cell) => cell.querySelector("img")?.src.startsWith("data:image/png")),
    ).toBe(true);
  });

  it("marks what the judge sees, and every leak", () => {
    const { play, root } = onStage();
    play(EVENTS);
    expect(badges(root, "items").slice(0, 2)).toEqual([["✗ 1 of 2", "leakage"], ["✓ 2 of 2"]]);
    expect(badges(root, "leak")).toEqual([
      ["✗ not shown", "leakage"],
      ["✓ shown"],
      ["✓ shown"],
      ["✓ shown"],
      ["✗ 1 of 2", "leakage"],
      ["✓ 2 of 2"],
      ["✓ 2 of 2"],
      ["✓ 2 of 2"],
    ]);
    expect(badges(root, "tokens").at(-1)).toEqual(["✓ shown"]);
  });

  it("says in words what each picture shows", () => {
    const { play, root } = onStage();
    play(EVENTS);
    const label = cells(root, "leak")[0]?.getAttribute("aria-label");
    expect(label).toBe(
      "Only “a shiny ball” kept, encoded with the prompt, seed 0: detected red circle; " +
        "not shown; leakage.",
    );
  });

  it("sets the tokens kept apart from those taken away", () => {
    const { play, root } = onStage();
    play(EVENTS);
    const row = figure(root, "tokens").querySelector(".kept") as HTMLElement;
    const kept = [...row.querySelectorAll(".in")].map((token) => token.textContent);
    expect(kept).toEqual(["a"]);
    expect(row.querySelectorAll(".out")).toHaveLength(6);
    expect(row.querySelector(".visually-hidden")?.textContent).toBe("Kept: a");
  });

  it("moves with the arrows, up and down along one seed, with one tab stop", () => {
    const { play, root, context } = onStage();
    play(EVENTS);
    const all = cells(root, "leak");
    all[1]?.click();
    expect(get(context.selection).primary).toEqual({ kind: "picture", index: 5 });
    press(all[1] as HTMLElement, "ArrowDown");
    expect(document.activeElement).toBe(all[3]);
    press(all[3] as HTMLElement, "ArrowLeft");
    expect(document.activeElement).toBe(all[2]);
    expect(all.filter((cell) => cell.tabIndex === 0)).toEqual([all[2]]);
    expect(all[2]?.getAttribute("aria-pressed")).toBe("true");
    press(document, "Escape");
    expect(get(context.selection).primary).toBeNull();
  });

  it("shows the hovered picture larger next to it", () => {
    const { play, root, detail } = onStage();
    play(EVENTS);
    cells(root, "items")[1]?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    expect(detail.querySelector("img")?.src).toContain("data:image/png");
    expect(detail.textContent).toContain("red square, blue circle");
  });
});

describe("what is found", () => {
  it("is described in sentences with counts", () => {
    const { play, root } = onStage();
    play(EVENTS);
    const said = [...figure(root, "findings").querySelectorAll("li")].map((li) => li.textContent);
    expect(said[0]).toMatch(/leak in 1 of 2 pictures .* in 0 when/);
    expect(said[1]).toMatch(/leak in 1 of 2 pictures; with “.*” encoded in isolation, in 0/);
    expect(said[2]).toMatch(/“ball” produces it when only that token is kept; the other 2 of 3/);
  });

  it("names no judge where there is none", () => {
    const { play, root } = onStage();
    play(
      EVENTS.map((event) => {
        if (event.kind === "prompt") return { ...event, judge: null };
        return event.kind === "picture" ? { ...event, verdict: null } : event;
      }),
    );
    expect(figure(root, "findings").hidden).toBe(true);
    expect(badges(root, "items").flat()).toEqual([]);
    expect(figure(root, "items").textContent).toContain("no classifier");
  });

  it("has a row per picture in the table twin", () => {
    const { play, root } = onStage({ state: { tables: "leak" } });
    play(EVENTS);
    const rows = [...figure(root, "leak").querySelectorAll(".figure-table tbody tr")];
    expect(rows).toHaveLength(8);
    expect(rows[0]?.textContent).toContain("red circle");
  });
});

it("shows hostile words as words", () => {
  const { play, root } = onStage();
  const hostile = "<img src=x onerror=alert(1)>";
  play(
    EVENTS.map((event) => {
      if (event.kind === "prompt") {
        const items = event.items.map((item) => ({ ...item, phrase: hostile }));
        const tokens = event.tokens.map((token) => ({ ...token, text: hostile }));
        return { ...event, items, tokens };
      }
      return event.kind === "row" ? { ...event, label: hostile } : event;
    }),
  );
  expect([...root.querySelectorAll("img")].every((image) => image.alt === "")).toBe(true);
  expect(root.querySelector("[onerror]")).toBeNull();
  expect(root.textContent).toContain(hostile);
});

it("exports a sheet with the pictures in it", async () => {
  const saved: Blob[] = [];
  vi.stubGlobal("URL", {
    createObjectURL: (blob: Blob) => `blob:${saved.push(blob)}`,
    revokeObjectURL: () => undefined,
  });
  const { play, root } = onStage();
  play(EVENTS);
  const stop = (event: Event) => event.preventDefault();
  document.addEventListener("click", stop);
  const buttons = [...figure(root, "leak").querySelectorAll<HTMLElement>(".figure-tools button")];
  buttons.find((button) => button.textContent === "SVG")?.click();
  document.removeEventListener("click", stop);
  vi.unstubAllGlobals();
  const reader = new FileReader();
  const text = await new Promise<string>((resolve) => {
    reader.onload = () => resolve(String(reader.result));
    reader.readAsText(saved[0] as Blob);
  });
  const read = new DOMParser().parseFromString(text, "image/svg+xml");
  expect(read.querySelector("parsererror")).toBeNull();
  expect(read.querySelectorAll("image")).toHaveLength(8);
});

it("leaves nothing behind when it is destroyed", () => {
  const { play, view, root, detail } = onStage();
  play(EVENTS);
  view.destroy();
  expect(root.querySelector("figure")).toBeNull();
  expect(detail.childNodes).toHaveLength(0);
});

describe("inside the text encoder", () => {
  const array = (values: number[], shape: number[]) => {
    const bytes = new Uint8Array(new Float32Array(values).buffer);
    return {
      dtype: "float32",
      shape,
      sha256: `${values.join()}/${shape.join()}`,
      data: btoa(String.fromCharCode(...bytes)),
    };
  };
  const flow = {
    kind: "encoder_flow",
    words: ["red", "ball"],
    tokens: [[0], [1]],
    flow: array([0, 0.5, 0.25, 0, 0, 0.125, 0.0625, 0], [2, 2, 2]),
    total: array([0.5, 0.75, 0.25, 0.375], [2, 2]),
    alone: array([0.875, 0.9375], [2]),
    blocks: array([0.625, 0.6875], [2]),
  } as unknown as MethodEvent;

  const cells = (root: HTMLElement) =>
    [...root.querySelectorAll("[data-figure=encoder] .figure-table tbody tr")].map((row) =>
      [...row.children].slice(1).map((cell) => cell.textContent),
    );

  it("shows what each word changes without each other, in all layers and in one", () => {
    const { play, root, context } = onStage({ state: { tables: "encoder" } });
    play([...EVENTS, flow]);
    expect(cells(root)).toEqual([
      ["–", "0.500", "0.500", "0.875", "0.625"],
      ["0.250", "–", "0.750", "0.938", "0.688"],
    ]);
    context.state.set("window", "1");
    expect(cells(root)[0]?.slice(0, 3)).toEqual(["–", "0.125", "0.250"]);
    expect(root.querySelector("[data-figure=encoder] output")?.textContent).toBe("layer 1 only");
  });
});
