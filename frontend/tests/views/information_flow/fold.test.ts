// The flow matrix without what has the colour of 0: what is left out, and what a cell stands for.

import { afterEach, describe, expect, it } from "vitest";
import type { FlowRow, Groups, MethodEvent } from "../../../src/gen/information_flow";
import type { RunFacts } from "../../../src/view/view";
import { create } from "../../../src/views/information_flow";
import recorded from "../../fixtures/information_flow_text.json";
import { stageOf } from "../../stage";

const EVENTS = recorded as unknown as MethodEvent[];
const GROUPS = EVENTS.find((event): event is Groups => event.kind === "groups") as Groups;
const LAST = GROUPS.groups.length - 1;
const ROWS = EVENTS.filter((event): event is FlowRow => event.kind === "flow_row").map(
  (event) => [event.row, event] as const,
);
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

const played = () => {
  const stage = stageOf<MethodEvent>(create, { facts, state: { whole: "1" } });
  views.push(stage.view);
  stage.play(EVENTS);
  return stage;
};
const matrixFigure = (root: ParentNode) =>
  root.querySelector("[data-figure=matrix]") as HTMLElement;
const canvasIn = (root: ParentNode) =>
  matrixFigure(root).querySelector("canvas") as HTMLCanvasElement;

/** Clicks a cell of the picture as a browser would, from the layout of the canvas. */
function click(root: ParentNode, row: number, column: number): void {
  const canvas = canvasIn(root);
  const size = (name: "left" | "top" | "width" | "height") => parseFloat(canvas.style[name]);
  const clientX = size("left") + ((column + 0.5) * size("width")) / canvas.width;
  const clientY = size("top") + ((row + 0.5) * size("height")) / canvas.height;
  const matrix = matrixFigure(root).querySelector(".matrix") as HTMLElement;
  matrix.dispatchEvent(new MouseEvent("click", { bubbles: true, clientX, clientY }));
}

describe("the folded matrix", () => {
  const drawnCells = (root: ParentNode) => {
    const { width, height } = canvasIn(root);
    return [height, width];
  };
  const foldButton = (root: ParentNode) =>
    matrixFigure(root).querySelector<HTMLButtonElement>("button.fold") as HTMLButtonElement;
  const size = LAST + 1;
  const limit = Math.max(...ROWS.flatMap(([, row]) => row.delta_logprob.map(Math.abs)));
  const seen = (value: number) => Math.abs(value) > limit / 256;
  const readers = ROWS.filter(
    ([row, { delta_logprob }]) => row === LAST || delta_logprob.some(seen),
  );

  it("leaves out what has the colour of 0, reports it, and shows it on request", () => {
    const { root, context } = played();
    expect(drawnCells(root)).toEqual([size, size]);
    foldButton(root).click();
    expect(context.state.get("whole")).toBeNull();
    expect(drawnCells(root)[0]).toBe(readers.length);
    const left = `${size - readers.length} rows`;
    expect(foldButton(root).textContent).toMatch(new RegExp(`^Show ${left} .*without an effect`));
    expect(matrixFigure(root).querySelector(".legend")?.textContent).toContain(left);
  });

  it("chooses the groups of what is drawn, and keeps chosen edges in sight", () => {
    const { root, context } = played();
    foldButton(root).click();
    const [height = 0] = drawnCells(root);
    const before = drawnCells(root);
    click(root, height - 1, 0);
    expect(context.state.get("reader")).toBeNull(); // the answer's
    const column = GROUPS.groups.findIndex(
      ({ start }) => String(start) === context.state.get("token"),
    );
    expect(ROWS.some(([, row]) => seen(row.delta_logprob[column] ?? 0))).toBe(true);
    foldButton(root).click();
    click(root, 1, 0);
    foldButton(root).click();
    expect(drawnCells(root)[0]).toBeGreaterThanOrEqual(before[0] ?? 0);
    expect(matrixFigure(root).textContent).toContain("✕");
  });
});
