import { afterEach, expect, it } from "vitest";
import { describe as describeAnchor } from "../../src/session/people/anchors";
import type { CreateView, RunFacts } from "../../src/view/view";
import { create as cntp } from "../../src/views/cntp";
import { create as graph } from "../../src/views/graph_kv";
import { create as flow } from "../../src/views/information_flow";
import { create as leap } from "../../src/views/local_leap";
import { create as reagent } from "../../src/views/reagent";
import { create as similarity } from "../../src/views/seg_similarity";
import centred from "../fixtures/centred.json";
import cntpEvents from "../fixtures/cntp.json";
import graphKv from "../fixtures/graph_kv.json";
import flowText from "../fixtures/information_flow_text.json";
import localLeap from "../fixtures/local_leap.json";
import seg from "../fixtures/seg_similarity.json";
import { stageOf } from "../stage";

const RUNS: [string, unknown, unknown][] = [
  ["reagent", reagent, centred],
  ["cntp", cntp, cntpEvents],
  ["local_leap", leap, localLeap],
  ["graph_kv", graph, graphKv],
  ["information_flow", flow, flowText],
  ["seg_similarity", similarity, seg],
];
const COUNTED = /\b(?:step|position|block|trial|token|row|column|round)s? 0\b/gi;

const views: { destroy(): void }[] = [];
afterEach(() => {
  for (const view of views.splice(0)) view.destroy();
  document.body.replaceChildren();
});

/** Every text of the page and of its detail pane: shown, named and hinted. */
function texts(): string[] {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found: string[] = [];
  while (walker.nextNode()) found.push(walker.currentNode.textContent ?? "");
  for (const node of document.body.querySelectorAll("[aria-label], [title]")) {
    found.push(node.getAttribute("aria-label") ?? "", node.getAttribute("title") ?? "");
  }
  return found;
}

it.each(RUNS)("%s counts from 1 in what people read", (method, create, events) => {
  const facts = { method, params: { prompt: "x" }, defaults: { edges: [], top_n: 5 } };
  const states: Record<string, string>[] = [{}, { token: "0", step: "0", trial: "0", layer: "0" }];
  for (const state of states) {
    const stage = stageOf(create as CreateView<unknown>, {
      state,
      facts: facts as Partial<RunFacts>,
    });
    views.push(stage.view);
    stage.play(events as unknown[]);
  }
  for (const term of document.querySelectorAll("dt, th")) {
    if (term.textContent === "Position")
      expect(term.nextElementSibling?.textContent).not.toMatch(/^0\b/);
  }
  const all = texts();
  expect(all.length).toBeGreaterThan(20);
  expect(all.filter((text) => text.match(COUNTED))).toEqual([]);
});

it("names a comment's place from 1, and keeps the index in the anchor", () => {
  expect(describeAnchor({ type: "token", index: 0 })).toBe("Token 1");
  expect(describeAnchor({ type: "span", start: 0, end: 3 })).toBe("Tokens 1 to 3");
  expect(describeAnchor({ type: "step", index: 6 })).toBe("Step 7");
  expect(describeAnchor({ type: "cell", row: 0, column: 2 })).toBe("Row 1, column 3");
});
