import { get } from "svelte/store";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createArraySource, type Numbers } from "../../src/net/arrays";
import type { Map as MapEvent, MethodEvent, AnswerTokens } from "../../src/gen/seg_similarity";
import { toSvg } from "../../src/pictures/export";
import { create } from "../../src/views/seg_similarity";
import recorded from "../fixtures/seg_similarity.json";
import { drawn, stageOf } from "../stage";

const EVENTS = recorded as unknown as MethodEvent[];
const facts = {
  method: "seg_similarity",
  params: { kind: "attribute" },
  defaults: { kind: "attribute", scene: 0, layer: -1, score: "dot", reads: "predicts" },
};
const onStage = (options: Parameters<typeof stageOf>[1] = {}) =>
  stageOf<MethodEvent>(create, { facts, ...options });

afterEach(() => document.body.replaceChildren());

const tokens = EVENTS.find(
  (event): event is AnswerTokens => event.kind === "tokens",
) as AnswerTokens;
const mapAt = (position: number) =>
  EVENTS.find((event): event is MapEvent => event.kind === "map" && event.position === position);
const numbers = createArraySource(() => Promise.reject(new Error("no server")));

/** Scores of a position: score and layer as in the event. */
function scoresOf(position: number, score: number, layer: number): number[] {
  const map = mapAt(position) as MapEvent;
  const [, layers = 0, patches = 0] = map.scores.shape;
  const all = numbers(map.scores) as Numbers;
  return Array.from(all)
    .slice((score * layers + layer) * patches)
    .slice(0, patches);
}

const shownScores = (root: HTMLElement) => {
  const rows = [...root.querySelectorAll("[data-figure=picture] .figure-table tbody tr")];
  return rows.map((row) => row.children[2]?.textContent ?? "");
};
const asShown = (values: number[]) =>
  values.map((value) => Number(value).toFixed(3).replace("-", "−"));
const press = (target: EventTarget, key: string) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));

describe("live and replayed", () => {
  it("end in the same picture", () => {
    const live = onStage({ live: true });
    live.play(EVENTS);
    const replayed = onStage();
    expect(replayed.play(EVENTS)).toBe(1);
    expect(drawn(replayed.root)).toBe(drawn(live.root));
  });

  it("end the same when maps are fetched, each only when it is looked at", async () => {
    const bytes = new Map<string, ArrayBuffer>();
    const away = JSON.parse(JSON.stringify(EVENTS), (_, value) => {
      if (typeof value?.sha256 !== "string") return value;
      bytes.set(value.sha256, Uint8Array.from(atob(value.data), (c) => c.charCodeAt(0)).buffer);
      return { ...value, data: null };
    }) as MethodEvent[];
    const asked: string[] = [];
    const fetchBytes = (hash: string) => {
      asked.push(hash);
      return Promise.resolve(bytes.get(hash) as ArrayBuffer);
    };
    const inline = onStage();
    inline.play(EVENTS);
    const fetched = onStage({ fetchBytes });
    fetched.play(away);
    await vi.waitFor(() => expect(drawn(fetched.root)).toBe(drawn(inline.root)));
    expect(new Set(asked).size).toBe(9); // picture, truth, mask, 2 of points, one map, its measures, 2 blanked
    fetched.root.querySelectorAll<HTMLElement>(".token")[3]?.click();
    await vi.waitFor(() => expect(new Set(asked).size).toBe(11));
  });
});

describe("the map", () => {
  it("is the query's in the last layer, read one position before it", () => {
    const { play, root } = onStage({ state: { tables: "picture" } });
    play(EVENTS);
    const expected = scoresOf(tokens.query - 1, 0, tokens.layers - 1);
    expect(shownScores(root)).toEqual(asShown(expected));
    expect(root.querySelector(".token.target")?.getAttribute("data-key")).toBe(
      String(tokens.query),
    );
  });

  it("is another token's at a click, and keeps to the address", () => {
    const { play, root, context } = onStage({ state: { tables: "picture" } });
    play(EVENTS);
    const other = tokens.tokens[3]?.position ?? 0;
    root.querySelector<HTMLElement>(`.token[data-key="${other}"]`)?.click();
    expect(context.state.get("token")).toBe(String(other));
    expect(shownScores(root)).toEqual(asShown(scoresOf(other - 1, 0, tokens.layers - 1)));
    context.state.set("reads", "at");
    expect(shownScores(root)).toEqual(asShown(scoresOf(other, 0, tokens.layers - 1)));
    context.state.set("score", "z_scored");
    context.state.set("layer", "1");
    expect(shownScores(root)).toEqual(asShown(scoresOf(other, 3, 1)));
  });

  it("steps through layers with [ and ], through scores with { and }", () => {
    const { play, context } = onStage();
    play(EVENTS);
    press(document, "[");
    expect(context.state.get("layer")).toBe(String(tokens.layers - 2));
    press(document, "]");
    press(document, "]");
    expect(context.state.get("layer")).toBe(String(tokens.layers - 1));
    press(document, "}");
    expect(context.state.get("score")).toBe("cosine");
    press(document, "{");
    press(document, "{");
    expect(context.state.get("score")).toBe("minus_neutral");
  });

  it("moves the chosen patch with the arrows and says what it is", () => {
    const { play, root, context } = onStage();
    play(EVENTS);
    const picture = root.querySelector(".scene-map") as SVGElement;
    press(picture, "ArrowDown");
    press(picture, "ArrowDown");
    press(picture, "ArrowRight");
    expect(get(context.selection).primary).toEqual({ kind: "cell", index: tokens.columns + 1 });
    expect(root.querySelector(".readout")?.textContent).toMatch(/^Patch row 2, column 2: .+ rank/);
    press(document, "Escape");
    expect(get(context.selection).primary).toBeNull();
  });

  it("shows every layer small, with its measures, and marks the one that is large", () => {
    const { play, root } = onStage();
    play(EVENTS);
    const multiples = [...root.querySelectorAll<HTMLElement>(".multiple")];
    expect(multiples).toHaveLength(tokens.layers);
    expect(multiples.map((one) => one.getAttribute("aria-pressed"))).toEqual([
      "false",
      "false",
      "true",
    ]);
    multiples[0]?.click();
    expect(multiples[0]?.getAttribute("aria-pressed")).toBe("true");
    expect(multiples[0]?.getAttribute("aria-label")).toMatch(/embeddings, AUC [01]\.\d+, IoU/);
  });
});

describe("points and masks", () => {
  it("are drawn over the map that they are of, and over no other", () => {
    const { play, root, context } = onStage();
    play(EVENTS);
    const points = () => root.querySelectorAll(".scene-map .point").length;
    const all = EVENTS.find((event) => event.kind === "points")?.labels.shape[0];
    expect(points()).toBe(all);
    context.state.set("layer", "1");
    expect(points()).toBe(0);
    expect(root.querySelector("[data-figure=picture] .legend")?.textContent).toContain(
      "Points are shown only for the token",
    );
    context.state.set("layer", null);
    context.state.set("points", "off");
    expect(points()).toBe(0);
  });

  it("come from the token, the points, or both where there is a decoder", () => {
    const { play, root, context } = onStage();
    const mask = EVENTS.find((event) => event.kind === "mask");
    const sources = ["mask_decoder", "points", "both"] as const;
    play(EVENTS.filter((event) => event.kind !== "mask"));
    const more = sources.map((source, i) => ({ ...mask, source, iou: 0.1 * i, quality: 0.5 }));
    play(more as MethodEvent[]);
    const legend = () => root.querySelector("[data-figure=picture] .legend")?.textContent;
    expect(legend()).toContain("prompted by the token (IoU");
    context.state.set("mask", "both");
    expect(legend()).toContain(
      "prompted by the token and the points (IoU with ground truth 0.200)",
    );
  });
});

describe("the decoder's own map", () => {
  it("is shown where there is one, with how it compares", () => {
    const { play, root } = onStage({ state: { tables: "decoder" } });
    play(EVENTS);
    const figure = root.querySelector("[data-figure=decoder]");
    expect(figure?.hasAttribute("hidden")).toBe(true);
    const scores = mapAt(tokens.query - 1)?.scores;
    const second = {
      kind: "decoder_map",
      scores: { ...EVENTS.find((event) => event.kind === "points")?.centres },
      rows: 1,
      columns: 1,
      frame: [0, 0, 64, 64],
      measures: null,
      iou: 0.25,
      rank_correlation: -0.5,
    };
    expect(scores).toBeDefined();
    play([second as unknown as MethodEvent]);
    expect(figure?.hasAttribute("hidden")).toBe(false);
    expect(figure?.querySelector(".legend")?.textContent).toContain("rank correlation −0.500");
  });
});

describe("a region drawn by the user", () => {
  it("takes patches with Space and is blanked by a new run", () => {
    const rerun = vi.fn();
    const { play, root, context } = onStage({ context: { rerun } });
    play(EVENTS);
    const picture = root.querySelector(".scene-map") as SVGElement;
    press(picture, "ArrowDown");
    press(picture, " ");
    press(picture, "ArrowRight");
    press(picture, " ");
    expect(context.state.get("region")).toBe("0,1");
    expect(root.querySelectorAll(".region-cells rect")).toHaveLength(2);
    press(picture, " ");
    expect(context.state.get("region")).toBe("0");
    buttonOf(root, "Blank region and rerun").click();
    expect(rerun).toHaveBeenCalledWith({ region: [0], causal: true });
    buttonOf(root, "Clear").click();
    expect(root.querySelectorAll(".region-cells rect")).toHaveLength(0);
    expect((buttonOf(root, "Blank region and rerun") as HTMLButtonElement).disabled).toBe(true);
  });

  it("is painted by dragging, and a drag from a patch of it takes away", () => {
    const { play, root, context } = onStage({ context: { rerun: vi.fn() } });
    play(EVENTS);
    const picture = root.querySelector(".scene-map") as SVGElement;
    picture.getBoundingClientRect = () => new DOMRect(0, 0, 400, 400);
    const at = (kind: string, column: number, row: number) =>
      picture.dispatchEvent(
        new MouseEvent(kind, { clientX: 100 * column + 50, clientY: 100 * row + 50 }),
      );
    at("pointerdown", 0, 0);
    expect(context.state.get("region")).toBeNull();
    buttonOf(root, "Draw a region").click();
    at("pointerdown", 1, 0);
    at("pointermove", 1, 1);
    at("pointermove", 2, 1);
    at("pointerup", 2, 1);
    at("pointermove", 3, 3);
    expect(context.state.get("region")).toBe("1,5,6");
    at("pointerdown", 1, 1);
    at("pointermove", 2, 1);
    at("pointerup", 2, 1);
    expect(context.state.get("region")).toBe("1");
  });
});

const buttonOf = (root: HTMLElement, text: string): HTMLElement =>
  [...root.querySelectorAll<HTMLElement>("button")].find(
    (one) => one.textContent === text,
  ) as HTMLElement;

it("compares the blanked region with as many other patches", () => {
  const { play, root } = onStage({ state: { tables: "causal" } });
  play(EVENTS);
  const blanked = EVENTS.filter((event) => event.kind === "blanked");
  const figure = root.querySelector("[data-figure=causal]") as HTMLElement;
  expect(figure.querySelectorAll("img")).toHaveLength(blanked.length);
  expect(figure.querySelector(".legend")?.textContent).toContain("mean of 2 draws");
  const rows = [...figure.querySelectorAll("tbody tr")].map((row) => row.children[0]?.textContent);
  expect(rows).toEqual(["mask region", "control 1", "control 2"]);
});

describe("what is said", () => {
  const scene = EVENTS.find((event) => event.kind === "scene");
  const withMask = (more: object) =>
    EVENTS.map((event) => (event.kind === "mask" ? { ...event, ...more } : event));
  const withTokens = (more: object) =>
    EVENTS.map((event) => (event.kind === "tokens" ? { ...event, ...more } : event));

  it("tells a thresholded map from a decoder's mask, and from none", () => {
    const legend = (events: MethodEvent[]) => {
      const { play, root } = onStage();
      play(events);
      return root.querySelector("[data-figure=picture] .legend")?.textContent;
    };
    expect(legend(EVENTS)).toContain("the model has no mask decoder");
    const decoded = withMask({ source: "mask_decoder", quality: 0.9 }) as MethodEvent[];
    expect(legend(decoded)).toContain("predicted IoU 0.900");
    const none = withMask({ source: "none", mask: null, iou: null }) as MethodEvent[];
    expect(legend(none)).toContain("No mask: the answer has no token");
  });

  it("says that a right answer is right, and what would have been", () => {
    const said = (right: boolean | null) => {
      const { play, root } = onStage();
      play(withTokens({ right }) as MethodEvent[]);
      return root.querySelector(".answer-verdict")?.textContent ?? "";
    };
    expect(said(true)).toContain("✓ correct");
    expect(said(false)).toContain(`Expected: “${scene?.expected ?? "?"}`);
    expect(said(null)).toContain("the correct answer is unknown");
  });

  it("says that a question about nothing rightly has no <SEG>", () => {
    const { play, root } = onStage();
    const nothing = EVENTS.map((event) =>
      event.kind === "scene"
        ? { ...event, form: "none" as const, truth: null }
        : event.kind === "tokens"
          ? { ...event, found: false }
          : event,
    );
    play(nothing);
    expect(root.querySelector(".look-text")?.textContent).toContain("The answer has no <SEG>");
  });

  it("describes the picture to those who do not see it", () => {
    const { play, root } = onStage();
    play(EVENTS);
    const label = root.querySelector(".scene-map")?.getAttribute("aria-label") ?? "";
    expect(label).toContain("ground:");
    expect(label).toContain("Highest: Patch row");
  });
});

it("exports a sheet that is well-formed and holds the picture", async () => {
  const saved: Blob[] = [];
  vi.stubGlobal("URL", {
    createObjectURL: (blob: Blob) => `blob:${saved.push(blob)}`,
    revokeObjectURL: () => undefined,
  });
  const { play, root } = onStage();
  play(EVENTS);
  const stop = (event: Event) => event.preventDefault();
  document.addEventListener("click", stop);
  for (const button of root.querySelectorAll<HTMLElement>(".figure-tools button")) {
    if (button.textContent === "SVG") button.click();
  }
  document.removeEventListener("click", stop);
  vi.unstubAllGlobals();
  expect(saved).toHaveLength(3);
  const reader = new FileReader();
  const text = await new Promise<string>((resolve) => {
    reader.onload = () => resolve(String(reader.result));
    reader.readAsText(saved[0] as Blob);
  });
  expect(text).toContain('href="data:image/png;base64,');
  const read = new DOMParser().parseFromString(text, "image/svg+xml");
  expect(read.querySelector("parsererror")).toBeNull();
  expect(toSvg(read.documentElement as unknown as SVGSVGElement)).toContain("seg_similarity v1");
});

it("leaves nothing behind when it is destroyed", () => {
  const { play, view, root, detail } = onStage();
  play(EVENTS);
  view.destroy();
  expect(root.querySelector("figure")).toBeNull();
  expect(detail.childNodes).toHaveLength(0);
});
