import { get } from "svelte/store";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { MethodEvent } from "../../src/gen/reagent";
import { toCsv, toSvg } from "../../src/pictures/export";
import { CENTRED, drawn, PAPER, stage } from "../stage";

afterEach(() => document.body.replaceChildren());

const press = (target: EventTarget, key: string, more: KeyboardEventInit = {}) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...more }));

/** The fixture with other words in it. */
function withTexts(texts: string[]): MethodEvent[] {
  return CENTRED.map((event) =>
    event.kind === "tokens"
      ? { ...event, tokens: event.tokens.map((one, i) => ({ ...one, text: texts[i] ?? one.text })) }
      : event,
  );
}

describe("live and replayed", () => {
  it.each([
    ["centred", CENTRED],
    ["paper", PAPER],
  ])("the %s form ends in the same picture", (_, events) => {
    const live = stage({ live: true });
    live.play(events);
    const replayed = stage();
    expect(replayed.play(events)).toBe(1); // however many events, one drawing
    expect(drawn(replayed.root)).toBe(drawn(live.root));
  });

  it("ends the same with arrays that are fetched, whatever their order", async () => {
    const bytes = new Map<string, ArrayBuffer>();
    const away = JSON.parse(JSON.stringify(CENTRED), (_, value) => {
      if (typeof value?.sha256 !== "string") return value;
      bytes.set(value.sha256, Uint8Array.from(atob(value.data), (c) => c.charCodeAt(0)).buffer);
      return { ...value, data: null };
    }) as MethodEvent[];
    let wait = 40;
    const fetchBytes = async (hash: string) => {
      await new Promise((resolve) => setTimeout(resolve, (wait = Math.max(0, wait - 3))));
      return bytes.get(hash) as ArrayBuffer;
    };
    const inline = stage();
    inline.play(CENTRED);
    const fetched = stage({ fetchBytes });
    fetched.play(away);
    await vi.waitFor(() => expect(drawn(fetched.root)).toBe(drawn(inline.root)));
  });

  it("colours from the first scores on, without moving the tokens", () => {
    const { play, tokens } = stage();
    const first = CENTRED.findIndex((event) => event.kind === "scores");
    play(CENTRED.slice(0, first));
    const before = tokens();
    expect(before.length).toBeGreaterThan(10);
    expect(before.every((token) => token.style.backgroundColor === "")).toBe(true);
    play(CENTRED.slice(first, first + 1));
    expect(tokens()).toEqual(before); // the same elements
    expect(tokens().some((token) => token.style.backgroundColor !== "")).toBe(true);
  });
});

describe("the strip", () => {
  it("shows another output token's row at once when it is clicked", () => {
    const { play, tokens, context, root } = stage();
    play(CENTRED);
    const fills = () => tokens().map((token) => token.style.backgroundColor);
    const [before, last] = [fills(), tokens().at(-1) as HTMLElement];
    last.click();
    expect(context.state.get("target")).toBe("3");
    expect(fills()).not.toEqual(before);
    expect(last.classList.contains("target")).toBe(true);
    expect(root.querySelector(".explaining")?.textContent).toContain(
      "Importance of each input token for",
    );
  });

  it("moves the primary token with the arrows, with one tab stop", () => {
    const { play, tokens, context } = stage();
    play(CENTRED);
    const [first, second] = tokens() as [HTMLElement, HTMLElement];
    first.click();
    press(first, "ArrowRight");
    expect(get(context.selection).primary?.index).toBe(1);
    expect(document.activeElement).toBe(second);
    expect(tokens().filter((token) => token.tabIndex === 0)).toEqual([second]);
    press(second, "End");
    expect(context.state.get("target")).toBe("3");
  });

  it("tells masked from zero and from what was not yet read", () => {
    const { play, tokens } = stage();
    play(CENTRED);
    expect(tokens()[0]?.className).toContain("masked");
    expect(tokens()[0]?.getAttribute("aria-label")).toContain("protected");
    expect(tokens().at(-1)?.className).toContain("outside");
    expect(tokens()[0]?.style.backgroundColor).toBe("");
  });

  it("starts a run for a span of the output", () => {
    const { play, tokens, detail, reruns } = stage();
    play(CENTRED);
    const outputs = tokens().slice(-4);
    outputs[1]?.click();
    outputs[3]?.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: true }));
    const explain = [...detail.querySelectorAll("button")].find((one) =>
      one.textContent?.includes("span"),
    );
    explain?.click();
    expect(reruns).toEqual([{ contrast: "", target_start: 1, target_length: 3 }]);
  });

  it("starts a run against an alternative", () => {
    const { play, tokens, detail, reruns } = stage();
    play(CENTRED);
    tokens().at(-1)?.click();
    [...detail.querySelectorAll("button")].find((one) => one.textContent === "Contrast")?.click();
    expect(reruns[0]).toMatchObject({ target_start: 3, target_length: 1 });
    expect(typeof reruns[0]?.contrast).toBe("number");
  });

  it("pins with p, compares with c and clears with Esc", () => {
    const { play, tokens, context, root } = stage();
    play(CENTRED);
    tokens().at(-2)?.click();
    press(document, "p");
    tokens().at(-1)?.click();
    press(document, "c");
    const panes = [...root.querySelectorAll<HTMLElement>(".pane")];
    expect(panes.map((pane) => pane.hidden)).toEqual([false, false]);
    expect(get(context.selection).pinned?.index).not.toBe(get(context.selection).primary?.index);
    press(document, "Escape");
    expect(get(context.selection)).toEqual({ hover: null, primary: null, pinned: null, set: [] });
    expect(panes[1]?.hidden).toBe(true);
  });
});

describe("hostile text", () => {
  const HOSTILE = ["<script>alert(1)</script>", "\u202eright to left", "שלום", "a\nb", "=1+1"];

  it("stays text in the page", () => {
    const { play, root, tokens } = stage();
    play(withTexts(HOSTILE));
    expect(root.querySelector("script")).toBeNull();
    expect(tokens()[0]?.textContent).toContain("<script>alert(1)</script>");
    expect(tokens()[1]?.textContent).toContain("U+202E");
    expect(tokens()[1]?.textContent).not.toContain("\u202e");
    expect(tokens()[2]?.querySelector("bdi")?.textContent).toBe("שלום");
    expect(tokens()[3]?.textContent).toContain("↵");
  });

  it("stays text in every export", async () => {
    const saved: Blob[] = [];
    vi.stubGlobal("URL", {
      createObjectURL: (blob: Blob) => `blob:${saved.push(blob)}`,
      revokeObjectURL: () => undefined,
    });
    const { play, root } = stage();
    play(withTexts(HOSTILE));
    const stop = (event: Event) => event.preventDefault();
    document.addEventListener("click", stop);
    for (const kind of ["CSV", "JSON", "SVG"]) {
      for (const button of root.querySelectorAll<HTMLElement>(".figure-tools button")) {
        if (button.textContent === kind && !button.hidden) button.click();
      }
    }
    document.removeEventListener("click", stop);
    vi.unstubAllGlobals();
    const texts = await Promise.all(saved.map(readText));
    expect(texts.length).toBeGreaterThan(12);
    for (const text of texts.filter((one) => one.startsWith("<svg"))) {
      expect(text).not.toContain("<script");
      const read = new DOMParser().parseFromString(text, "image/svg+xml");
      expect(read.querySelector("parsererror")).toBeNull();
    }
    expect(texts.some((text) => text.includes("'=1+1"))).toBe(true);
    expect(texts.some((text) => /(^|,)"?=1/m.test(text) && text.startsWith("#"))).toBe(false);
  });
});

function readText(blob: Blob): Promise<string> {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.readAsText(blob);
  });
}

describe("the table twin", () => {
  it("opens from the address, sorts, and holds the picture's numbers", () => {
    const { play, root } = stage({ state: { tables: "map" } });
    play(CENTRED);
    const table = root.querySelector("[data-figure=map] table") as HTMLTableElement;
    const column = (at: number) =>
      [...(table.tBodies[0]?.rows ?? [])].map((row) => row.cells[at]?.textContent ?? "");
    const header = [...table.querySelectorAll("button")].find((one) => one.textContent === "rank");
    header?.click();
    header?.click();
    const ranks = column(5).filter((text) => text !== "–");
    expect(ranks.slice(0, 3)).toEqual(["1", "2", "3"]);
    expect(table.querySelector("[aria-sort=ascending]")).not.toBeNull();
  });
});

it("leaves nothing behind when it is destroyed", () => {
  const { play, view, root, detail } = stage();
  play(CENTRED);
  view.destroy();
  expect(root.querySelector("figure")).toBeNull();
  expect(detail.childNodes).toHaveLength(0);
});

it("has exports that agree with the page", () => {
  const table = { caption: "", columns: ["x"], rows: [["a"]] };
  expect(toCsv(table)).toBe("x\r\na");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  expect(toSvg(svg)).toContain('xmlns="http://www.w3.org/2000/svg"');
});
