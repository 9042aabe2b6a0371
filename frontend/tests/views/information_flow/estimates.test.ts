// Estimated edges of the flow matrix told apart from those that were cut.

import { afterEach, describe, expect, it } from "vitest";
import type { Flow, FlowRow, Groups, MethodEvent } from "../../../src/gen/information_flow";
import type { RunFacts } from "../../../src/view/view";
import { create } from "../../../src/views/information_flow";
import recorded from "../../fixtures/information_flow_text.json";
import { stageOf } from "../../stage";

const EVENTS = recorded as unknown as MethodEvent[];
const GROUPS = EVENTS.find((event): event is Groups => event.kind === "groups") as Groups;
const FLOW = EVENTS.find((event): event is Flow => event.kind === "flow") as Flow;
const ROWS = EVENTS.filter((event): event is FlowRow => event.kind === "flow_row");
const LAST = GROUPS.groups.length - 1;
const MIXED = ROWS.map((row) => ({
  ...row,
  estimate: row.delta_logprob,
  exact: row.delta_logprob.map(() => row.row === LAST),
  state_change: row.state_change.map((value) => (row.row === LAST ? value : null)),
}));
const facts: Partial<RunFacts> = {
  method: "information_flow",
  params: {},
  defaults: { edges: [] },
};

const views: { destroy(): void }[] = [];
afterEach(() => {
  for (const view of views.splice(0)) view.destroy();
  document.body.replaceChildren();
});

const figureIn = (root: ParentNode) => root.querySelector("[data-figure=matrix]") as HTMLElement;

function hover(root: ParentNode, row: number, column: number): void {
  const matrix = figureIn(root).querySelector(".matrix") as HTMLElement;
  const canvas = matrix.querySelector("canvas") as HTMLCanvasElement;
  const size = (name: "left" | "top" | "width" | "height") => parseFloat(canvas.style[name]);
  const clientX = size("left") + ((column + 0.5) * size("width")) / canvas.width;
  const clientY = size("top") + ((row + 0.5) * size("height")) / canvas.height;
  matrix.dispatchEvent(new MouseEvent("pointermove", { bubbles: true, clientX, clientY }));
}

describe("a matrix with estimates", () => {
  it("tells them from cuts in legend and readout", () => {
    const { root, play, view } = stageOf<MethodEvent>(create, { facts, state: { whole: "1" } });
    views.push(view);
    const estimates = { edges: 1000, cut: 40, spearman: 0.875, largest_difference: 1.5 };
    play([...EVENTS, ...MIXED, { ...FLOW, estimates }]);
    const text = () => figureIn(root).textContent;
    expect(text()).toContain("Faint: estimated by attribution patching");
    expect(text()).toMatch(/40 of 1,000 edges are cut.*rank correlation of 0\.875.*1\.5/);
    hover(root, 3, 1);
    expect(text()).toMatch(/estimated, not cut: answer [^ ]+ nats/);
    hover(root, LAST, 1);
    expect(text()).toMatch(/, cut: answer [^ ]+ nats, reader's state changed/);
    play([FLOW, ...ROWS]);
    expect(text()).not.toContain("attribution patching");
  });
});
