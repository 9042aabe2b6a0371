// Routes: what one forward pass adds to what, without any cut. Contribution, not causation.

import { plainKey } from "../../../view/keys";
import { HOVER } from "../../../base/pointing";
import { select } from "d3-selection";
import { get } from "svelte/store";
import { element, say } from "../../../pictures/dom";
import { createFigure, type FigureSource } from "../../../pictures/figure";
import type { Group } from "../../../pictures/layer";
import { showNumber } from "../../../pictures/numbers";
import { createSheet } from "../../../pictures/sheet";
import { indexOf, positionItem } from "../../../view/position";
import { whenChanged } from "../../../view/panel";
import type { Selected } from "../../../view/selection";
import type { ViewContext } from "../../../view/view";
import { routesAt } from "./graph";
import { columnsOf, drawnEdges, drawRoutes, type RoutesPicture } from "./routesPicture";
import { groupAt, positionsOf, type Panel, type Shown } from "./shown";
import { routeTable } from "./tables";

const WHAT =
  "Contribution, not causal effect: the share of each block's output by source, from one forward pass " +
  "without cuts. The flow matrix shows causal effects.";

export function createRoutes(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Contribution graph", "routes", context);
  const slider = createSlider((tau) => context.state.set("tau", tau));
  figure.controls.append(slider.node);
  figure.body.append(element("p", { class: "sharpness" }, WHAT));
  const label = "Contribution graph by layer and token; left and right arrow keys move";
  const frame = element("div", { class: "scroll", tabindex: "0", role: "application" });
  frame.setAttribute("aria-label", label);
  figure.body.append(frame);
  const svg = select(frame).append("svg").attr("class", "routes").attr("aria-hidden", "true");
  const group = svg.append("g") as Group;
  const readout = figure.body.appendChild(
    element("p", { class: "readout", "aria-live": "polite" }),
  );
  let shown: Shown | null = null;
  let picture: RoutesPicture | null = null;

  const positionUnder = (event: Event) => {
    const column = (event.target as Element).closest<SVGElement>("[data-position]");
    return column ? Number(column.dataset.position) : null;
  };
  frame.addEventListener("pointerover", (event) => {
    const position = positionUnder(event);
    context.selection.hover(position === null ? null : positionItem(position));
  });
  frame.addEventListener("pointerleave", () => context.selection.hover(null));
  frame.addEventListener("click", (event) => {
    const position = positionUnder(event);
    if (position !== null) context.selection.choose(positionItem(position));
  });
  frame.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[plainKey(event) ?? ""];
    if (!by || !picture) return;
    event.preventDefault();
    const columns = columnsOf(picture);
    const at = indexOf(get(context.selection).primary) ?? (by > 0 ? -1 : Infinity);
    const next = by > 0 ? columns.find((one) => one > at) : columns.findLast((one) => one < at);
    const end = by > 0 ? columns.at(-1) : columns[0];
    context.selection.choose(positionItem(next ?? end ?? 0));
  });

  const ingredients = ({ state, theme, tau }: Shown) => [state.routes, state.tokens, theme, tau];
  const draw = whenChanged(ingredients, (now) => {
    picture = pictureOf(now);
    if (!picture) return figure.hide();
    const tau = tauOf(now);
    slider.show(tau, picture.routes.event.floor, largest(picture.routes.importance));
    figure.update(sourceOf(picture, tau, context));
    const size = drawRoutes(group, picture, frame.clientWidth || 760);
    svg.attr("width", size.width).attr("height", size.height);
    figure.legend.textContent = legendText(picture, tau);
  });

  function render(now: Shown): void {
    shown = now;
    draw(now);
    mark(get(context.selection));
  }

  function mark({ hover, primary }: Selected): void {
    if (!shown || !picture) return;
    const over = litBy(shown, indexOf(hover));
    const chosen = litBy(shown, indexOf(primary));
    const lit = over.size ? over : chosen;
    group.selectAll<SVGPathElement, number>("path.route").classed("faint", function () {
      const ends = [Number(this.dataset.from), Number(this.dataset.to)];
      return lit.size > 0 && !ends.some((position) => lit.has(position));
    });
    group
      .selectAll<SVGRectElement, number>("rect.route-column")
      .classed("is-hover", (position) => over.has(position))
      .classed("is-primary", (position) => position === indexOf(primary));
    say(readout, sentence(shown, picture, lit));
  }

  return { render, mark, destroy: figure.destroy };
}

const largest = (shares: ArrayLike<number>) =>
  Array.from(shares).reduce((most, share) => Math.max(most, share), 0.1);

/** The tokens of the group that a position belongs to. */
function litBy({ state }: Shown, position: number | null): Set<number> {
  const group = groupAt(state, position);
  return new Set(group === null ? [] : positionsOf(state, group));
}

const tauOf = ({ state, tau }: Shown) => {
  const { tau: own = 0, floor = 0 } = state.routes?.event ?? {};
  return Math.max(floor, tau ?? own);
};

function pictureOf(shown: Shown): RoutesPicture | null {
  const { state, theme } = shown;
  if (!state.routes || !state.groups) return null;
  const route = routesAt(state.routes, tauOf(shown), state.groups.target_queries);
  return { state, routes: state.routes, route, theme };
}

function sentence({ state }: Shown, { routes, route }: RoutesPicture, lit: Set<number>): string {
  if (lit.size === 0) return `${HOVER} a token to highlight its edges.`;
  const sum = (ends: RoutesPicture["routes"]["key"]) =>
    route.edges
      .filter((edge) => lit.has(ends[edge] ?? -1) && routes.key[edge] !== routes.query[edge])
      .reduce((total, edge) => total + (routes.importance[edge] ?? 0), 0);
  const [first = 0] = lit;
  const text = state.groups?.groups[groupAt(state, first) ?? -1]?.text.trim() ?? "";
  return `“${text}”: outgoing ${showNumber(sum(routes.key))}, incoming ${showNumber(sum(routes.query))} (importance of the edges shown, summed over layers).`;
}

function legendText(picture: RoutesPicture, tau: number): string {
  const { routes, route } = picture;
  const drawn = drawnEdges(picture).length;
  const columns = columnsOf(picture).length;
  const among =
    columns < routes.positions
      ? ` among ${columns} of ${routes.positions.toLocaleString("en")} tokens, those of the largest edges`
      : "";
  const rest = route.edges.length > drawn ? `, the ${drawn} largest drawn${among}` : "";
  return (
    `${route.edges.length} attention edges with a share of at least ${showNumber(tau)} on a path to the answer${rest}. ` +
    "Orange: attention, width: share of the block's output (‖y‖₁ − ‖y − z‖₁, normalised over the " +
    "parts), summed over heads. Grey: residual stream, half as wide for the same share. Blue square: MLP. " +
    `Edges with a share below ${showNumber(routes.event.floor)} are not stored.`
  );
}

function createSlider(changed: (tau: string) => void) {
  const input = element("input", { type: "range", step: "0.005" }) as HTMLInputElement;
  const output = element("output", {});
  const node = element("label", { class: "chooser" }, "Threshold τ ", input, output);
  input.addEventListener("input", () => changed(input.value));
  return {
    node,
    show(tau: number, floor: number, most: number): void {
      input.min = String(floor);
      input.max = most.toFixed(3);
      input.value = String(tau);
      output.textContent = showNumber(tau);
    },
  };
}

function sourceOf(picture: RoutesPicture, tau: number, context: ViewContext): FigureSource {
  const { state, routes, route, theme } = picture;
  const list = (numbers: ArrayLike<number>) => route.edges.map((edge) => numbers[edge]);
  return {
    table: () => routeTable(state, routes, route.edges),
    data: () => ({
      tau,
      floor: routes.event.floor,
      layer: list(routes.layer),
      query: list(routes.query),
      key: list(routes.key),
      importance: list(routes.importance),
      head: list(routes.head),
    }),
    svg: () => {
      const title = `Information flow: contribution graph, τ = ${showNumber(tau)}`;
      const sheet = createSheet(title, theme, get(context.run));
      const size = drawRoutes(sheet.body as Group, picture, 900);
      return sheet.finish(size.width, size.height);
    },
  };
}
