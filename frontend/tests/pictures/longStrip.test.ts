import { writable } from "svelte/store";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createTokenStrip, type StripSection } from "../../src/pictures/tokenStrip";
import { POSITION } from "../../src/view/position";
import type { Mark } from "../../src/view/view";

const LENGTH = 3000;
const weights = new Map([
  [1500, 9],
  [700, 8],
  [2200, 7],
]);

const sections = (length = LENGTH): StripSection[] => [
  {
    label: "Prompt",
    tokens: Array.from({ length }, (_, key) => ({
      key,
      text: ` w${key}`,
      piece: "",
      word: key,
      fill: null,
      ink: null,
      state: "scored",
      band: null,
      target: false,
      label: `w${key}`,
      weight: weights.get(key) ?? 0,
    })),
  },
];

const NOTHING = {
  hover: new Set<number>(),
  primary: null as number | null,
  pinned: null,
  set: new Set<number>(),
};

let stop = () => {};

function stage() {
  const root = document.body.appendChild(document.createElement("div"));
  const marks = writable<readonly Mark[]>([]);
  const [chosen, hovered]: [number[], (number | null)[]] = [[], []];
  const strip = createTokenStrip(root, "Tokens", {
    hover: (key) => hovered.push(key),
    choose: (key) => {
      chosen.push(key);
      strip.mark({ ...NOTHING, primary: key });
    },
    extend: () => {},
    others: { marks, kind: POSITION },
    keys: (press) => {
      document.addEventListener("keydown", press);
      stop = () => document.removeEventListener("keydown", press);
      return stop;
    },
  });
  const list = root.querySelector(".strip") as HTMLElement;
  const at = (key: number) => list.querySelector<HTMLElement>(`.token[data-key="${key}"]`);
  const gaps = () => [...list.querySelectorAll<HTMLElement>(".gap")];
  const button = (text: RegExp) =>
    [...root.querySelectorAll("button")].find((one) => text.test(one.textContent ?? ""));
  const press = (target: HTMLElement, key: string) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const view = (key: string) => press(document.body, key);
  const summary = () => root.querySelector(".strip-summary")?.textContent ?? "";
  return { root, strip, list, at, gaps, button, press, view, summary, marks, chosen, hovered };
}

/** A frame of so many pixels, of which jsdom knows none. */
beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(700);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(260);
});

afterEach(() => {
  stop();
  vi.restoreAllMocks();
  document.body.replaceChildren();
});

describe("the strip of a long text", () => {
  it("is drawn as always up to the limit, and folds above it", () => {
    const { root, strip, list } = stage();
    strip.render(sections(600));
    expect(root.querySelectorAll(".token")).toHaveLength(600);
    expect(root.querySelector(".strip-tools, .gap")).toBeNull();
    strip.render(sections(601));
    expect(root.querySelectorAll(".token").length).toBeLessThan(200);
    expect(list.getAttribute("aria-describedby")).toBe(root.querySelector(".strip-summary")?.id);
    strip.render(sections(300));
    expect(root.querySelectorAll(".token")).toHaveLength(300);
    expect(root.querySelector(".strip-tools")).toBeNull();
  });

  it("shows the strongest with their context, and says what is folded", () => {
    const { strip, at, gaps, summary } = stage();
    strip.render(sections());
    expect([at(1495), at(1500), at(700), at(2200)].every(Boolean)).toBe(true);
    expect(at(1000)).toBeNull();
    const folded = gaps().map((gap) => Number(gap.dataset.to) - Number(gap.dataset.from));
    expect(folded.reduce((a, b) => a + b, 0)).toBe(LENGTH - 48 - 3 * 11);
    expect(gaps()[0]?.textContent).toBe("… 671 tokens");
    expect(gaps()[0]?.getAttribute("aria-label")).toBe("671 tokens folded; Enter shows them");
    expect(summary()).toBe(
      "81 of 3,000 tokens shown: the 3 strongest with their context, and the ends.",
    );
    expect(at(1500)?.getAttribute("aria-posinset")).toBe("1501");
  });

  it("opens a gap by a click or Enter, all by a button, and folds again", () => {
    const { strip, at, gaps, button, press, summary, root } = stage();
    strip.render(sections());
    gaps()[0]?.click();
    expect(document.activeElement).toBe(at(24));
    expect(gaps()).toHaveLength(0); // further down
    button(/Fold again/)?.click();
    expect(gaps()).toHaveLength(4);
    press(gaps()[0] as HTMLElement, "Enter");
    expect(document.activeElement).toBe(at(24));
    button(/Show all 3,000 tokens/)?.click();
    expect(summary()).toBe("All 3,000 tokens shown.");
    expect(root.querySelectorAll("*").length).toBeLessThan(1500); // only those in view
    button(/Fold again/)?.click();
    expect(gaps()).toHaveLength(4);
  });

  it("opens what is chosen, commented or in the address, also before it has arrived", () => {
    const { strip, at, marks, list } = stage();
    strip.mark({ ...NOTHING, primary: 2800 });
    strip.render(sections(1000));
    expect(list.scrollTop).toBe(0);
    strip.render(sections());
    expect(at(2800)?.getAttribute("aria-selected")).toBe("true");
    const comment = { item: { kind: POSITION, index: 1200 }, by: "comment", colour: null } as const;
    marks.set([{ ...comment, label: "1 comment" }]);
    strip.render(sections());
    list.scrollTop = 0;
    strip.mark({ ...NOTHING, primary: 1203 });
    expect(at(1200)?.classList.contains("is-commented")).toBe(true);
  });

  it("does not move by hovering: the gap lights up", () => {
    const { strip, gaps, at } = stage();
    strip.render(sections());
    strip.mark({ ...NOTHING, hover: new Set([100]) });
    expect(gaps().map((gap) => gap.classList.contains("is-hover"))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(at(100)).toBeNull();
  });

  it("leads from the strongest to the next with n, and back with N", () => {
    const { strip, view, hovered, root } = stage();
    strip.render(sections());
    for (const key of ["n", "n", "n", "N", "x"]) view(key);
    expect(hovered).toEqual([1500, 700, 2200, 700]);
    expect((document.activeElement as HTMLElement).dataset.key).toBe("700");
    expect(root.querySelector(".strip-strongest output")?.textContent).toBe("2 / 3");
  });

  it("walks over gaps with the arrows, and to either end", () => {
    const { strip, at, press, gaps, chosen } = stage();
    strip.render(sections());
    at(23)?.focus();
    press(at(23) as HTMLElement, "ArrowRight");
    expect(document.activeElement).toBe(gaps()[0]);
    press(document.activeElement as HTMLElement, "ArrowRight");
    expect(document.activeElement).toBe(at(695));
    press(document.activeElement as HTMLElement, "End");
    expect(document.activeElement).toBe(at(LENGTH - 1));
    press(document.activeElement as HTMLElement, "Home");
    expect(document.activeElement).toBe(at(0));
    expect(chosen).toEqual([695, LENGTH - 1, 0]);
  });

  it("finds in folded parts and copies the whole text", () => {
    const { strip, at, root, list } = stage();
    strip.render(sections());
    const field = root.querySelector("input") as HTMLInputElement;
    field.value = "w1234";
    field.dispatchEvent(new Event("input"));
    expect(at(1234)?.classList.contains("is-found")).toBe(true);
    expect(root.querySelector(".strip-find output")?.textContent).toBe("1 / 1");
    const data = { setData: vi.fn() };
    list.dispatchEvent(Object.assign(new Event("copy"), { clipboardData: data }));
    const whole = Array.from({ length: LENGTH }, (_, key) => ` w${key}`).join("");
    expect(data.setData).toHaveBeenCalledWith("text/plain", whole);
  });

  it("moves by its map, which says what is in view", () => {
    const { strip, root, press, at } = stage();
    strip.render(sections());
    const map = root.querySelector("[role=slider]") as HTMLElement;
    expect(map.getAttribute("aria-valuetext")).toMatch(/^tokens 1 to [\d,]+ of 3,000 in view$/);
    press(map, "End");
    expect(at(LENGTH - 1)).not.toBeNull();
    press(map, "Home");
    expect(at(0)).not.toBeNull();
  });
});
