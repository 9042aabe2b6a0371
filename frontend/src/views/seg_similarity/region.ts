// Drawing the patches that are to be blanked, by pointer and by keyboard.

import { counted } from "../../plural";
import { get } from "svelte/store";
import { button, element } from "../../pictures/dom";
import type { ViewContext } from "../../view";
import { indexOfCell } from "./choose";
import { cellBox, cellUnder, type createFrame } from "./overlay";
import type { Shown } from "./shown";

type Frame = ReturnType<typeof createFrame>;

/** The patches on the straight way from one to another, both ends included. */
export function cellsBetween(from: number, to: number, columns: number): number[] {
  const [x, y] = [from % columns, Math.floor(from / columns)];
  const [across, down] = [(to % columns) - x, Math.floor(to / columns) - y];
  const steps = Math.max(Math.abs(across), Math.abs(down), 1);
  return Array.from({ length: steps + 1 }, (_, i) => {
    const [dx, dy] = [Math.round((i * across) / steps), Math.round((i * down) / steps)];
    return (y + dy) * columns + x + dx;
  });
}

export function createRegion(root: HTMLElement, { svg }: Frame, context: ViewContext) {
  const cells = svg.append("g").attr("class", "region-cells");
  const bar = root.appendChild(element("div", { class: "region-bar" }));
  const draw = button("Draw a region", () => setDrawing(!drawing));
  const clear = button("Clear", () => write([]));
  const blank = button("Blank it, read again", () => {
    if (shown?.region.length) context.rerun?.({ region: shown.region, causal: true });
  });
  const said = element("span", { class: "muted", "aria-live": "polite" });
  if (context.rerun) bar.append(draw, clear, blank, said);
  let shown: Shown | null = null;
  let drawing = false;
  /** While the pointer is down: whether patches are added or taken away. */
  let adding: boolean | null = null;
  /** The patch of the last event: a quick pointer skips those between. */
  let last: number | null = null;

  const node = svg.node() as SVGSVGElement;
  node.addEventListener("pointerdown", (event) => {
    const cell = shown && drawing ? cellUnder(event, node, shown) : null;
    if (cell === null || !shown) return;
    event.preventDefault();
    node.setPointerCapture?.(event.pointerId);
    adding = !shown.region.includes(cell);
    put([cell], adding);
    last = cell;
  });
  node.addEventListener("pointermove", (event) => {
    const cell = shown && adding !== null ? cellUnder(event, node, shown) : null;
    if (cell === null || adding === null || !shown) return;
    put(last === null ? [cell] : cellsBetween(last, cell, shown.grid.columns), adding);
    last = cell;
  });
  for (const end of ["pointerup", "pointercancel"]) {
    node.addEventListener(end, () => (adding = last = null));
  }

  function put(cells: readonly number[], add: boolean): void {
    if (!shown || cells.every((cell) => shown?.region.includes(cell) === add)) return;
    const others = shown.region.filter((one) => !cells.includes(one));
    write(add ? [...others, ...cells] : others);
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
    const none = now.region.length === 0;
    for (const one of [clear, blank]) (one as HTMLButtonElement).disabled = none;
    said.textContent = drawing
      ? `${counted(now.region.length, "patch", "patches")}. Drag over the picture, or press Space on a patch.`
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
      if (event.key !== " " || cell === null || !shown || !context.rerun) return;
      event.preventDefault();
      put([cell], !shown.region.includes(cell));
    },
  };
}
