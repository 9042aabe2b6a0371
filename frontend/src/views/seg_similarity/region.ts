// Drawing the patches that are to be blanked, by pointer and by keyboard.

import { plainKey } from "../../view/keys";
import { counted } from "../../base/plural";
import { get } from "svelte/store";
import { button, element, segmented } from "../../pictures/dom";
import type { ViewContext } from "../../view/view";
import { indexOfCell } from "./choose";
import { cellBox, cellUnder, type createFrame } from "./overlay";
import { cellsOf, TOOLS, type Tool } from "./regionCells";
import type { Shown } from "./shown";

type Frame = ReturnType<typeof createFrame>;

/** A drag under way. */
interface Drag {
  /** Whether patches are added or taken away. */
  adding: boolean;
  /** The region as it was. */
  before: readonly number[];
  /** Patches from pointer events; a fast pointer skips those between. */
  way: number[];
}

export function createRegion(root: HTMLElement, { svg }: Frame, context: ViewContext) {
  const cells = svg.append("g").attr("class", "region-cells");
  const bar = root.appendChild(element("div", { class: "region-bar" }));
  const draw = button("Draw a region", () => setDrawing(!drawing));
  const clear = button("Clear", () => write([]));
  const blank = button("Blank region and rerun", () => {
    if (shown?.region.length) context.rerun?.({ region: shown.region, causal: true });
  });
  const tools = segmented(context, "Draw with", TOOLS, (value) => (tool = value));
  tools.choose("brush");
  const said = element("span", { class: "muted", "aria-live": "polite" });
  if (context.rerun) bar.append(draw, tools.node, clear, blank, said);
  let shown: Shown | null = null;
  let drawing = false;
  let tool: Tool = "brush";
  let drag: Drag | null = null;

  const node = svg.node() as SVGSVGElement;
  node.addEventListener("pointerdown", (event) => {
    const cell = shown && drawing ? cellUnder(event, node, shown) : null;
    if (cell === null || !shown) return;
    event.preventDefault();
    node.setPointerCapture?.(event.pointerId);
    const before = shown.region;
    drag = { adding: !before.includes(cell), before, way: [] };
    go(cell);
  });
  node.addEventListener("pointermove", (event) => {
    const cell = shown && drag ? cellUnder(event, node, shown) : null;
    if (cell !== null && cell !== drag?.way.at(-1)) go(cell);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    node.addEventListener(end, () => (drag = null));
  }

  function go(cell: number): void {
    if (!shown || !drag) return;
    drag.way.push(cell);
    const { adding, before, way } = drag;
    write(changed(before, cellsOf(tool, way, shown.grid.columns), adding));
  }

  const write = (region: number[]) => {
    const sorted = [...region].sort((a, b) => a - b);
    if (shown) shown = { ...shown, region: sorted };
    context.state.set("region", sorted.join(","));
  };

  function setDrawing(on: boolean): void {
    drawing = on;
    if (shown) render(shown);
  }

  function render(now: Shown): void {
    shown = now;
    draw.setAttribute("aria-pressed", String(drawing));
    node.classList.toggle("drawing", drawing);
    tools.node.hidden = !drawing;
    const none = now.region.length === 0;
    for (const one of [clear, blank]) (one as HTMLButtonElement).disabled = none;
    said.textContent = drawing
      ? `${counted(now.region.length, "patch", "patches")}. Drag over the picture, or press Space on a patch; from a chosen patch it is taken away.`
      : none
        ? ""
        : `${counted(now.region.length, "patch", "patches")}.`;
    cells
      .selectAll<SVGRectElement, number>("rect")
      .data(now.region)
      .join("rect")
      .attr("x", (cell) => cellBox(now, cell)[0])
      .attr("y", (cell) => cellBox(now, cell)[1])
      .attr("width", (cell) => cellBox(now, cell)[2])
      .attr("height", (cell) => cellBox(now, cell)[3])
      .attr("vector-effect", "non-scaling-stroke");
  }

  return {
    render,
    drawing: () => drawing,
    /** Space adds or takes away the chosen patch. */
    keydown(event: KeyboardEvent): void {
      const cell = indexOfCell(get(context.selection).primary);
      if (plainKey(event) !== " " || cell === null || !shown || !context.rerun) return;
      event.preventDefault();
      write(changed(shown.region, [cell], !shown.region.includes(cell)));
    },
  };
}

function changed(region: readonly number[], cells: readonly number[], add: boolean): number[] {
  const touched = new Set(cells);
  const others = region.filter((one) => !touched.has(one));
  return add ? [...others, ...touched] : others;
}
