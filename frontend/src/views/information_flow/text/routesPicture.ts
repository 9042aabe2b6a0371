// Routes drawn: tokens across, layers upwards, width = contribution.

import { LINES } from "../../../pictures/colour";
import { visible } from "../../../pictures/glyphs";
import { type Group, layer, words } from "../../../pictures/layer";
import { showNumber } from "../../../pictures/numbers";
import { fit, inkOf, mutedOf, ruleOf } from "../../../pictures/sheet";
import type { Theme } from "../../../base/theme";
import type { Route } from "./graph";
import type { RouteMap, State } from "./state";

export interface RoutesPicture {
  state: State;
  routes: RouteMap;
  route: Route;
  theme: Theme;
}

const PLOT = { left: 58, right: 40, top: 14, label: 76, widest: 9, size: 11 };
/** Edges that are drawn; above it the picture is one grey area. */
export const MOST_EDGES = 1500;
/** In a longer text only the tokens of the largest edges have a column. */
const LONG = 600;
const MOST_OF_LONG = { states: 960, columns: 60, edges: 240 };

interface RoutesLayout {
  pitch: number;
  rise: number;
  /** Positions that have a column, in order. */
  columns: readonly number[];
  x(position: number): number;
  y(level: number): number;
  width: number;
  height: number;
}

export function layoutOf(picture: RoutesPicture, available: number): RoutesLayout {
  const { layers } = picture.routes;
  const columns = columnsOf(picture);
  const columnOf = new Map(columns.map((position, column) => [position, column]));
  const last = Math.max(1, columns.length - 1);
  const room = (available - PLOT.left - PLOT.right) / last;
  const pitch = Math.max(13, Math.min(46, room));
  const rise = Math.max(16, Math.min(64, 420 / layers));
  const height = PLOT.top + rise * layers;
  return {
    pitch,
    rise,
    columns,
    x: (position) => PLOT.left + pitch * (columnOf.get(position) ?? 0),
    y: (level) => PLOT.top + rise * (layers - level),
    width: PLOT.left + PLOT.right + pitch * Math.max(0, columns.length - 1),
    height: height + PLOT.label,
  };
}

/** Every position of a short text; of a long one those with the widest edges, and the targets. */
export function columnsOf({ routes, route, state }: RoutesPicture): number[] {
  const { positions, layers } = routes;
  if (positions <= LONG) return Array.from({ length: positions }, (_, at) => at);
  const most = Math.min(MOST_OF_LONG.columns, Math.max(12, MOST_OF_LONG.states / layers));
  const columns = new Set(state.groups?.target_queries);
  for (const edge of route.edges) {
    const ends = [routes.key[edge] ?? 0, routes.query[edge] ?? 0];
    if (new Set([...columns, ...ends]).size > most) break;
    for (const end of ends) columns.add(end);
  }
  return [...columns].sort((a, b) => a - b);
}

/** The largest edges that are drawn: those whose ends both have a column. */
export function drawnEdges(picture: RoutesPicture): number[] {
  const { route, routes } = picture;
  if (routes.positions <= LONG) return route.edges.slice(0, MOST_EDGES);
  const columns = new Set(columnsOf(picture));
  const has = (end: number | undefined) => columns.has(end ?? -1);
  return route.edges
    .filter((edge) => has(routes.key[edge]) && has(routes.query[edge]))
    .slice(0, MOST_OF_LONG.edges);
}

/** Draws into the group, again and again alike; returns the size taken. */
export function drawRoutes(group: Group, picture: RoutesPicture, available: number) {
  const layout = layoutOf(picture, available);
  drawLevels(group, picture, layout);
  drawStays(group, picture, layout);
  drawEdges(group, picture, layout);
  drawTokens(group, picture, layout);
  return { width: layout.width, height: layout.height };
}

function drawLevels(group: Group, { routes, theme }: RoutesPicture, layout: RoutesLayout): void {
  const { layers } = routes;
  const every = Math.ceil(14 / layout.rise);
  const levels = Array.from({ length: layers }, (_, level) => level);
  layer(group, "levels")
    .selectAll("text")
    .data(levels.filter((level) => level % every === 0))
    .join("text")
    .attr("x", PLOT.left - 14)
    .attr("y", (level) => layout.y(level + 0.5))
    .attr("dy", "0.35em")
    .attr("text-anchor", "end")
    .attr("font-size", 10.5)
    .attr("fill", mutedOf(theme))
    .text((level) => `layer ${level}`);
  layer(group, "lines")
    .selectAll("line")
    .data(Array.from({ length: layers + 1 }, (_, level) => level))
    .join("line")
    .attr("x1", PLOT.left - 8)
    .attr("x2", layout.width - PLOT.right + 8)
    .attr("y1", layout.y)
    .attr("y2", layout.y)
    .attr("stroke", ruleOf(theme));
}

interface Stay {
  level: number;
  position: number;
  residual: number;
  mlp: number;
}

/** What stays at its place: the state itself, and what the MLP adds. */
function staysOf({ routes, route }: RoutesPicture, columns: readonly number[]): Stay[] {
  const { layers, positions } = routes;
  return Array.from({ length: layers }, (_, layer) => layer)
    .flatMap((layer) => columns.map((position) => layer * positions + position))
    .filter((at) => route.nodes[at] && route.nodes[at + positions])
    .map((at) => ({
      level: Math.floor(at / positions),
      position: at % positions,
      residual: routes.attentionResidual[at] ?? 0,
      mlp: routes.mlp[at] ?? 0,
    }));
}

const widthOf = (share: number) => Math.max(0.75, PLOT.widest * share);
const stayWidth = (share: number) => Math.max(0.75, 0.5 * PLOT.widest * share);

function drawStays(group: Group, picture: RoutesPicture, layout: RoutesLayout): void {
  const { theme, state } = picture;
  const stays = staysOf(picture, layout.columns);
  const name = ({ position }: Stay) => visible(state.tokens[position]?.text ?? "");
  layer(group, "stays")
    .selectAll<SVGLineElement, Stay>("line")
    .data(stays)
    .join("line")
    .attr("class", "stay")
    .attr("x1", ({ position }) => layout.x(position))
    .attr("x2", ({ position }) => layout.x(position))
    .attr("y1", ({ level }) => layout.y(level))
    .attr("y2", ({ level }) => layout.y(level + 1))
    .attr("stroke", mutedOf(theme))
    .attr("stroke-opacity", 0.4)
    .attr("stroke-width", ({ residual }) => stayWidth(residual));
  layer(group, "mlps")
    .selectAll<SVGRectElement, Stay>("rect")
    .data(stays)
    .join((enter) => {
      const box = enter.append("rect");
      box.append("title");
      return box;
    })
    .attr("x", ({ position, mlp }) => layout.x(position) - sideOf(mlp) / 2)
    .attr("y", ({ level, mlp }) => layout.y(level + 0.78) - sideOf(mlp) / 2)
    .attr("width", ({ mlp }) => sideOf(mlp))
    .attr("height", ({ mlp }) => sideOf(mlp))
    .attr("fill", LINES[theme][1] ?? "")
    .select("title")
    .text(
      (stay) =>
        `layer ${stay.level}, ${name(stay)}: MLP ${showNumber(stay.mlp)}, ` +
        `residual stream ${showNumber(stay.residual)}`,
    );
}

const sideOf = (mlp: number) => 2 + PLOT.widest * mlp;

function drawEdges(group: Group, picture: RoutesPicture, layout: RoutesLayout) {
  const { routes, state, theme } = picture;
  const name = (position: number) => visible(state.tokens[position]?.text ?? "");
  const ends = (edge: number) => [routes.key[edge] ?? 0, routes.query[edge] ?? 0] as const;
  layer(group, "edges")
    .selectAll<SVGPathElement, number>("path")
    .data(drawnEdges(picture), (edge) => edge)
    .join((enter) => {
      const path = enter.append("path").attr("class", "route").attr("fill", "none");
      path.append("title");
      return path;
    })
    .attr("data-from", (edge) => ends(edge)[0])
    .attr("data-to", (edge) => ends(edge)[1])
    .attr("d", (edge) => curve(ends(edge), routes.layer[edge] ?? 0, layout))
    .attr("stroke", LINES[theme][0] ?? "")
    .attr("stroke-width", (edge) => widthOf(routes.importance[edge] ?? 0))
    .select("title")
    .text((edge) => {
      const [from, to] = ends(edge);
      const share = showNumber(routes.importance[edge] ?? 0);
      return `layer ${routes.layer[edge] ?? 0}: ${name(from)} → ${name(to)} ${share}, most by head ${routes.head[edge] ?? 0}`;
    });
}

/** From the state before the layer to where attention adds to the reader's. */
function curve([from, to]: readonly [number, number], level: number, layout: RoutesLayout): string {
  const [x0, y0, x1, y1] = [layout.x(from), layout.y(level), layout.x(to), layout.y(level + 0.6)];
  if (from === to) {
    const out = Math.min(9, layout.pitch / 2);
    return `M${x0},${y0}C${x0 + out},${(y0 + y1) / 2} ${x0 + out},${(y0 + y1) / 2} ${x1},${y1}`;
  }
  return `M${x0},${y0}C${x0},${(y0 + y1) / 2} ${x1},${(y0 + y1) / 2} ${x1},${y1}`;
}

function drawTokens(
  group: Group,
  { state, routes, theme }: RoutesPicture,
  layout: RoutesLayout,
): void {
  const positions = layout.columns;
  const targets = new Set(state.groups?.target_queries);
  const bottom = layout.y(0);
  layer(group, "tokens")
    .selectAll<SVGTextElement, number>("text")
    .data(positions)
    .join("text")
    .attr(
      "transform",
      (position) => `translate(${layout.x(position) - 4},${bottom + 12}) rotate(60)`,
    )
    .attr("font-size", PLOT.size)
    .attr("font-weight", (position) => (targets.has(position) ? 700 : null))
    .attr("fill", (position) => (targets.has(position) ? inkOf(theme) : mutedOf(theme)))
    .text((position) =>
      fit(visible(state.tokens[position]?.text ?? ""), PLOT.label - 6, PLOT.size),
    );
  const last = Math.max(...targets, 0);
  const top = { x: layout.x(last), y: layout.y(routes.layers) - 4, size: 11, ink: inkOf(theme) };
  const text = visible(state.groups?.target_text ?? "");
  words(group, "answer", `→ ${text}`, top).attr("text-anchor", "end").attr("font-weight", 600);
  layer(group, "columns")
    .selectAll<SVGRectElement, number>("rect")
    .data(positions)
    .join("rect")
    .attr("class", "route-column")
    .attr("data-position", (position) => position)
    .attr("x", (position) => layout.x(position) - layout.pitch / 2)
    .attr("y", PLOT.top)
    .attr("width", layout.pitch)
    .attr("height", bottom - PLOT.top + 6)
    .attr("fill", "none");
}
