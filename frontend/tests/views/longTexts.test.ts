// Each view of a text of thousands of tokens: few elements, and a picture that fits a sheet.

import { afterEach, describe, expect, it } from "vitest";
import { sourceOf } from "../../src/pictures/figure";
import { create as createCntp } from "../../src/views/cntp";
import { create as createGraph } from "../../src/views/graph_kv";
import { create as createFlow } from "../../src/views/information_flow";
import { create as createLeap } from "../../src/views/local_leap";
import { create as createReagent } from "../../src/views/reagent";
import type { CreateView } from "../../src/view/view";
import { stageOf } from "../stage";
import { longRun } from "../longRun.mjs";

afterEach(() => document.body.replaceChildren());

type Any = CreateView<{ kind: string }>;
/** Elements of the whole view, however long its text is. */
const VIEWS: [string, unknown, number][] = [
  ["reagent", createReagent, 4000],
  ["information_flow", createFlow, 4000],
  ["graph_kv", createGraph, 6000],
  ["cntp", createCntp, 2500],
  ["local_leap", createLeap, 2500],
];

describe.each(VIEWS)("%s", (method, create, most) => {
  it.each([2000, 8000])("draws few elements for %i tokens", (length) => {
    const { root, play, view, said } = stageOf(create as Any);
    play(longRun(method, length));
    expect(said).toEqual([]);
    expect(root.querySelectorAll("*").length).toBeLessThan(most);
    view.destroy();
  });

  it("leaves the page folded, with every token in the table", () => {
    const { root, play, view } = stageOf(create as Any);
    play(longRun(method, 4000));
    for (const strip of root.querySelectorAll("figure:not([hidden]):has(.long-strip)")) {
      const source = sourceOf(strip);
      const svg = source?.svg?.();
      expect(svg?.querySelectorAll("*").length).toBeLessThan(12_000);
      expect(svg?.textContent).toContain("the table holds all");
    }
    view.destroy();
  });
});
