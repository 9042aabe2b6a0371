import { rgb } from "d3-color";
import { afterEach, describe, expect, it } from "vitest";
import { limitOf, sequential } from "../../src/pictures/colour";
import { sourceOf } from "../../src/pictures/figure";
import {
  supportLine,
  supportOf,
  supportScale,
  worksAgainst,
  type Measured,
} from "../../src/pictures/support";
import type { CreateView, RunFacts } from "../../src/view/view";
import { create as flow } from "../../src/views/information_flow";
import { create as graph } from "../../src/views/graph_kv";
import { create as reagent } from "../../src/views/reagent";
import { create as similarity } from "../../src/views/seg_similarity";
import flowText from "../fixtures/information_flow_text.json";
import graphKv from "../fixtures/graph_kv.json";
import centred from "../fixtures/centred.json";
import paper from "../fixtures/paper.json";
import seg from "../fixtures/seg_similarity.json";
import { stageOf } from "../stage";

/** What the signed numbers of each figure say. A figure with two hues that is not here is wrong. */
const MEASURED: Record<string, Measured> = {
  map: "present",
  baselines: "present",
  text: "removed",
  cut: "removed",
  agreement: "present",
};

const views: { destroy(): void }[] = [];
afterEach(() => {
  for (const view of views.splice(0)) view.destroy();
  document.body.replaceChildren();
});

function played(create: unknown, events: unknown, method: string): HTMLElement {
  const facts = { method, params: { prompt: "x" }, defaults: { edges: [], top_n: 5 } };
  const stage = stageOf(create as CreateView<unknown>, { facts: facts as Partial<RunFacts> });
  views.push(stage.view);
  stage.play(events as unknown[]);
  return stage.root;
}

type Hue = "orange" | "blue" | "none";
function hueOf(colour: string): Hue {
  const { r, b } = rgb(colour);
  return Math.abs(r - b) < 16 ? "none" : r > b ? "orange" : "blue";
}

/** The first number of a token's name: its score. */
const scoreOf = (label: string) => {
  const found = /, ([+−]?[\d.]+(?:e[−-]\d+)?)/.exec(label)?.[1];
  return found === undefined ? null : Number(found.replace("−", "-"));
};

const RUNS: [string, unknown, unknown][] = [
  ["reagent", reagent, centred],
  ["reagent", reagent, paper],
  ["information_flow", flow, flowText],
];

describe("the colour of support", () => {
  it.each(RUNS)("is orange in each strip of %s, and opposition blue", (method, view, events) => {
    const root = played(view, events, method);
    const wrong: string[] = [];
    let signed = 0;
    for (const token of root.querySelectorAll<HTMLElement>(".token")) {
      const hue = hueOf(token.style.backgroundColor || "#fff");
      const stem = token.closest<HTMLElement>("[data-figure]")?.dataset.figure ?? "";
      const score = scoreOf(token.getAttribute("aria-label") ?? "");
      if (hue === "none" || !score) continue;
      const support = supportOf(score, MEASURED[stem] ?? "present");
      if (hue === "blue") signed += 1;
      if ((support > 0 ? "orange" : "blue") !== hue) wrong.push(`${stem}: ${token.ariaLabel}`);
    }
    expect(wrong).toEqual([]);
    if (events === centred) expect(signed).toBeGreaterThan(0);
  });

  it.each(RUNS)("has a sign in addition to the hue in %s", (method, view, events) => {
    const root = played(view, events, method);
    const against = [...root.querySelectorAll<HTMLElement>(".token.against")];
    for (const token of against) expect(hueOf(token.style.backgroundColor)).not.toBe("orange");
    const scored = [...root.querySelectorAll<HTMLElement>("[data-figure=map] .token")].flatMap(
      (token) => {
        const [, mean, error] =
          / ([+−]?[\d.]+) ± ([\d.]+)/.exec(token.getAttribute("aria-label") ?? "") ?? [];
        return mean ? [{ token, mean: Number(mean.replace("−", "-")), error: Number(error) }] : [];
      },
    );
    const limit = Math.max(...scored.map(({ mean }) => Math.abs(mean)));
    const clear = scored.filter(({ mean, error }) => mean < -2.2 * error && mean < -0.1 * limit);
    for (const { token } of clear) expect(token.classList.contains("against")).toBe(true);
    if (events === centred) expect(against.length).toBeGreaterThan(0);
    for (const figure of root.querySelectorAll("figure")) {
      const signed = figure.querySelector(".token.against") !== null;
      if (signed) expect(figure.textContent).toContain("▾ in a token's corner");
      const sheet = signed ? sourceOf(figure)?.svg?.() : null;
      if (sheet) expect(sheet.textContent).toContain("▾");
    }
  });

  it("is the line of the drop in Graph-KV and in the causal check", () => {
    const curves = played(graph, graphKv, "graph_kv").querySelectorAll<SVGElement>("g.curve");
    const deltas = [...curves].flatMap((one) => {
      const said = /cutting it ([+−][\d.]+)/.exec(one.getAttribute("aria-label") ?? "")?.[1];
      const stroke = one.querySelector("path.value")?.getAttribute("stroke") ?? "";
      return said ? [{ said, hue: hueOf(stroke) }] : [];
    });
    expect(deltas.length).toBeGreaterThan(0);
    for (const { said, hue } of deltas) expect(hue).toBe(said.startsWith("−") ? "orange" : "blue");
    const cards = played(similarity, seg, "seg_similarity").querySelectorAll<HTMLElement>(
      ".blanked-tile",
    );
    expect(cards.length).toBeGreaterThan(0);
    for (const card of cards) {
      const lower = card.textContent.includes("−");
      expect(hueOf(card.style.borderTopColor)).toBe(lower ? "orange" : "blue");
    }
  });

  it("has a sign exactly where a number opposes and can be seen", () => {
    const scale = supportScale(2, "light", "removed");
    expect([-2, -0.05, 0, 0.05, 0.2, 2].map((one) => worksAgainst(one, scale, "removed"))).toEqual([
      ...[false, false, false, false, true, true],
    ]);
    expect(worksAgainst(-1, supportScale(2, "light", "present"), "present")).toBe(true);
    expect(worksAgainst(-1, sequential(2, "light"), "present")).toBe(false);
  });

  it.each(["light", "dark"] as const)("is one function of sign and measure (%s)", (theme) => {
    for (const measured of ["present", "removed"] as const) {
      const scale = supportScale(limitOf([-2, 1]), theme, measured);
      for (const value of [-2, -1, 1, 2]) {
        const wanted = supportOf(value, measured) > 0 ? "orange" : "blue";
        expect(hueOf(scale.colour(value))).toBe(wanted);
        expect(hueOf(supportLine(value, theme, measured))).toBe(wanted);
      }
      const nothing = supportLine(0, theme, measured);
      expect([1, -1].map((value) => supportLine(value, theme, measured))).not.toContain(nothing);
      const ramp = scale.ramp(5);
      expect(ramp[0]).toBe(scale.colour(-2));
      expect(ramp[4]).toBe(scale.colour(2));
    }
  });
});

describe("a token in a sentence", () => {
  it.each([
    ["reagent", reagent, centred, ["map"]],
    ["information_flow", flow, flowText, ["text"]],
  ])("is quoted in %s", (method, view, events, stems) => {
    const root = played(view, events, method);
    for (const stem of stems) {
      const tokens = root.querySelectorAll(`[data-figure=${stem}] .explaining .token-text`);
      expect(tokens.length).toBeGreaterThan(0);
      for (const token of tokens) expect(token.parentElement?.textContent).toMatch(/^“.*”$/);
    }
  });
});
