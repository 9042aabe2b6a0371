// Segments as boxes, one column per round; attention between them as curves, width by its share.

import { counted } from "../../base/plural";
import { format } from "d3-format";
import { supportLine } from "../../pictures/support";
import { type Group, layer } from "../../pictures/layer";
import { showNumber, showSigned } from "../../pictures/numbers";
import { PALETTES } from "../../pictures/colour";
import { legible, visible } from "../../pictures/glyphs";
import { fit, inkOf, measure, mutedOf, ruleOf } from "../../pictures/sheet";
import type { Theme } from "../../base/theme";
import { layoutOf } from "../../form/segments/layout";
import { createRouter, labelPlace, pathOf, type Box, type Leg } from "./graphRoute";
import { knockOutOf, massOf, nameIn, ownPair, pairName, type Pair, type Shown } from "./shown";
import { partKey } from "./state";

export interface Node extends Box {
  block: number;
  /** Number of the pair in which it reads itself. */
  pair: number;
  name: string;
  /** The full text; the box shows its beginning. */
  text: string;
  note: string;
}

export interface Curve {
  pair: number;
  drawn: boolean;
  from: Node;
  to: Node;
  mass: number | null;
  label: string;
  /** Its way between the boxes; null: from one box of a column to another. */
  legs: Leg[] | null;
  /** Where the label lies, on the curve and in front of it; null: it has none. */
  tag: Box | null;
  /** Read out: names, mass, what cutting it does. */
  said: string;
  /** Change of the answer's log-probability without it, in nats; null: not cut. */
  delta: number | null;
}

export interface Graph {
  nodes: Node[];
  curves: Curve[];
  width: number;
  height: number;
}

export const WIDEST = 16; // pixels of a curve that takes all attention
const PITCH = 78;
const HEIGHT = 52;
const GAP = PITCH - HEIGHT; // between two boxes of a column, and above and below it
const MARGIN = 10;
const NARROWEST = 46; // between two columns
const ROOMY = { box: 100, between: 120 }; // enough for two numbers
const TAG = { size: 11, weight: 600, height: 16, pad: 5 };
const LOOP = 26; // right of the last column, for curves from one of its blocks to another
const LABELLED = 14; // curves; with more, only the chosen one is labelled with its number

/** `readers`: blocks whose attention is drawn in addition to the edges. */
export type Readers = "edges" | "edges + answer" | "all";

export function graphOf(shown: Shown, readers: Readers, available: number): Graph {
  const blocks = shown.layout?.event.blocks ?? [];
  const segments = blocks.map((_, block) => ({ id: String(block), text: "", score: null }));
  const inner = segments.filter((_, block) => isInner(shown, block));
  const reads = shown.pairs.filter(({ reader, source }) => reader !== source);
  const edges = reads
    .filter(({ reader, source }) => isInner(shown, reader) && isInner(shown, source))
    .map(({ reader, source }) => ({ source: String(source), target: String(reader) }));
  const { places, columns, lines } = layoutOf({ segments: inner, edges });
  const room = available - 2 * MARGIN - LOOP;
  const width = Math.min(150, Math.max(70, room / (columns + 1) - 40));
  const step = Math.max(width + NARROWEST, (room - width) / Math.max(1, columns));
  const outer = segments.length - inner.length;
  const tall = Math.max(lines, outer);
  let placed = 0;
  const nodes = blocks.map((_, block): Node => {
    const place = places.get(String(block)) ?? {
      column: columns,
      line: placed++ + (lines - outer) / 2,
    };
    return {
      block,
      pair: ownPair(shown.pairs, block),
      name: nameIn(shown, block),
      text: textOf(shown, block),
      note: noteOf(shown, block, width > ROOMY.box),
      x: MARGIN + place.column * step,
      y: GAP + (place.line + (tall - lines) / 2) * PITCH,
      width,
      height: HEIGHT,
    };
  });
  const curves = reads.filter((pair) => isDrawn(shown, pair, readers));
  const drawn = curves.filter(({ edge }) => edge !== null).length;
  const made = curves.map((pair) =>
    curveOf(shown, pair, nodes, drawn, step - width > ROOMY.between),
  );
  return {
    nodes,
    curves: placeCurves(made, nodes),
    width: 2 * MARGIN + columns * step + width + LOOP,
    height: 2 * GAP + tall * PITCH - GAP,
  };
}

/** Each with its way, then each label where it covers neither a box nor another label. */
function placeCurves(curves: Curve[], nodes: readonly Node[]): Curve[] {
  const route = createRouter(nodes, GAP);
  const taken: Box[] = [...nodes];
  const edgesFirst = [...curves].sort((a, b) => Number(b.drawn) - Number(a.drawn));
  for (const curve of edgesFirst) {
    const { from, to, label } = curve;
    curve.legs = from.x < to.x ? route(from, to, widthOf(curve)) : null;
    if (!label) continue;
    const size = [measure(label, TAG.size, TAG.weight) + 2 * TAG.pad, TAG.height] as const;
    curve.tag = labelPlace(curve.legs ?? loopLegs(curve), size, taken);
    taken.push(curve.tag);
  }
  return curves;
}

/** Text of a block, as far as its tokens are known. */
function textOf({ state, layout }: Shown, block: number): string {
  const { role, segment = null } = layout?.event.blocks[block] ?? {};
  return role ? (state.texts.get(partKey(role, segment)) ?? []).join("") : "";
}

/** The question and the answer are placed right of everything they attend to. */
function isInner({ layout }: Shown, block: number): boolean {
  const role = layout?.event.blocks[block]?.role;
  return role === "segment" || role === "prefix";
}

function isDrawn(shown: Shown, { reader }: Pair, readers: Readers): boolean {
  if (readers === "all" || isInner(shown, reader)) return true;
  return readers === "edges + answer" && shown.layout?.event.blocks[reader]?.role === "answer";
}

function noteOf(shown: Shown, block: number, roomy: boolean): string {
  const { tokens = 0 } = shown.layout?.event.blocks[block] ?? {};
  const mass = (reader: number) => massOf(shown, { reader, source: block, edge: null });
  const [own, answer] = [mass(block), mass((shown.layout?.event.blocks.length ?? 0) - 1)];
  if (own === null) return counted(tokens, "token");
  const read =
    answer === null || !roomy || !isInner(shown, block) ? "" : ` · answer ${short(answer)}`;
  return `self ${short(own)}${read}`;
}

function curveOf(
  shown: Shown,
  pair: Pair,
  nodes: readonly Node[],
  count: number,
  roomy: boolean,
): Curve {
  const number = shown.pairs.indexOf(pair);
  const mass = massOf(shown, pair);
  const cut = knockOutOf(shown, pair);
  const parts = [
    mass === null ? "" : short(mass),
    cut && roomy ? `Δ ${short(cut.delta, "+")}` : "",
  ];
  const labelled = pair.edge !== null ? count <= LABELLED : number === shown.pair;
  const said = mass === null ? "not measured yet" : `attention ${showNumber(mass)}`;
  const effect = cut ? `, cutting it ${showSigned(cut.delta)} nats` : "";
  return {
    pair: number,
    drawn: pair.edge !== null,
    from: nodes[pair.source] as Node,
    to: nodes[pair.reader] as Node,
    mass,
    label: labelled || number === shown.pair ? parts.filter(Boolean).join(" · ") : "",
    legs: null,
    tag: null,
    delta: cut?.delta ?? null,
    said: `${pairName(shown, pair)}: ${said}${effect}`,
  };
}

/** Two decimals, because there is little room at a curve; its title has the exact number. */
const rounded = (value: number) => Number(value.toFixed(2)) || 0;
const short = (value: number, sign = "") => {
  const shown = rounded(value);
  return format(`${shown === 0 ? "" : sign}.2f`)(shown).replace("-", "−");
};

/** By what cutting it does to the answer; of no side where that is shown as 0.00. */
const lineOf = ({ delta }: Curve, theme: Theme) =>
  delta === null ? mutedOf(theme) : supportLine(rounded(delta), theme, "removed");

const widthOf = ({ mass }: Curve) => (mass === null ? 1.5 : Math.max(0.75, WIDEST * mass));

function pathFor(curve: Curve): string {
  const { from, to, legs } = curve;
  if (legs) return pathOf(legs);
  const [y1, y2] = [from.y + from.height / 2, to.y + to.height / 2];
  const [out, far] = [from.x + from.width, from.x + from.width + LOOP];
  return `M${out},${y1} C${far},${y1} ${far},${y2} ${out},${y2}`;
}

/** The position of a loop's label, as a leg of length 0. */
function loopLegs({ from, to }: Curve): Leg[] {
  const [x, y] = [from.x + from.width + 0.75 * LOOP, (from.y + to.y + from.height) / 2];
  return [{ from: [x, y], to: [x, y], passing: false }];
}

/** Draws into the group, again and again alike. */
export function drawGraph(group: Group, graph: Graph, theme: Theme, primary: number | null): void {
  drawCurves(layer(group, "curves"), graph, theme, primary);
  drawNodes(layer(group, "nodes"), graph, theme, primary);
  drawNumbers(layer(group, "numbers"), graph, theme);
}

function drawCurves(group: Group, graph: Graph, theme: Theme, primary: number | null): void {
  const order = [...graph.curves].sort((a, b) => Number(a.drawn) - Number(b.drawn));
  const curves = group
    .selectAll<SVGGElement, Curve>("g.curve")
    .data(order, (one) => one.pair)
    .join((enter) => {
      const made = enter.append("g").attr("class", "curve").attr("role", "option");
      made.append("title");
      for (const part of ["state", "value", "reach"]) {
        made.append("path").attr("class", part).attr("fill", "none");
      }
      return made;
    })
    .attr("data-pair", (one) => one.pair)
    .attr("aria-label", (one) => one.said)
    .attr("aria-selected", (one) => String(one.pair === primary))
    .attr("tabindex", (one) => (one.pair === (stopOf(graph, primary) ?? -1) ? 0 : -1))
    .order();
  curves.select("title").text((one) => one.said);
  curves.selectAll<SVGPathElement, Curve>("path").attr("d", pathFor);
  curves
    .select("path.value")
    .attr("stroke", (one) => lineOf(one, theme))
    .attr("stroke-opacity", (one) => (one.drawn ? 1 : 0.5))
    .attr("stroke-dasharray", (one) => (one.mass === null ? "4 4" : null))
    .attr("stroke-width", widthOf);
  curves
    .select("path.state")
    .attr("stroke", (one) => (one.pair === primary ? inkOf(theme) : "none"))
    .attr("stroke-width", (one) => widthOf(one) + 5);
  curves
    .select("path.reach")
    .attr("stroke", "transparent")
    .attr("stroke-width", (one) => Math.max(14, widthOf(one)));
}

/** The curve that can be tabbed to: the chosen one, else the first. */
function stopOf({ curves }: Graph, primary: number | null): number | undefined {
  return (curves.find(({ pair }) => pair === primary) ?? curves[0])?.pair;
}

function drawNodes(group: Group, graph: Graph, theme: Theme, primary: number | null): void {
  const nodes = group
    .selectAll<SVGGElement, Node>("g.node")
    .data(graph.nodes, (one) => one.block)
    .join((enter) => {
      const made = enter.append("g").attr("class", "node").attr("aria-hidden", "true");
      made.append("rect").attr("rx", 6);
      made.append("text").attr("class", "node-name").attr("y", 16).attr("font-size", 12.5);
      made.append("title");
      made.append("text").attr("class", "node-text").attr("y", 31).attr("font-size", 10.5);
      made.append("text").attr("class", "node-note").attr("y", 45).attr("font-size", 10.5);
      return made;
    })
    .attr("data-pair", (one) => one.pair)
    .attr("transform", ({ x, y }) => `translate(${x},${y})`);
  nodes
    .select("rect")
    .attr("width", ({ width }) => width)
    .attr("height", ({ height }) => height)
    .attr("fill", PALETTES[theme].background)
    .attr("stroke", (one) => (one.pair === primary ? inkOf(theme) : ruleOf(theme)))
    .attr("stroke-width", (one) => (one.pair === primary ? 2.5 : 1.5));
  const room = (graph.nodes[0]?.width ?? 0) - 14;
  nodes.select("title").text(({ name, text }) => `${name}: ${visible(text.trim())}`);
  nodes
    .select(".node-text")
    .attr("x", 7)
    .attr("fill", inkOf(theme))
    .text(({ text }) => fit(legible(text.trim()), room, 10.5));
  nodes
    .select(".node-name")
    .attr("x", 7)
    .attr("fill", inkOf(theme))
    .attr("font-weight", 600)
    .text((one) => fit(one.name, room, 12.5));
  nodes
    .select(".node-note")
    .attr("x", 7)
    .attr("fill", mutedOf(theme))
    .text((one) => fit(one.note, room, 10.5));
}

/** Each on a plate of its own, so that no curve runs through the numbers. */
function drawNumbers(group: Group, graph: Graph, theme: Theme): void {
  const tags = group
    .attr("pointer-events", "none")
    .attr("aria-hidden", "true")
    .selectAll<SVGGElement, Curve>("g.tag")
    .data(
      graph.curves.filter(({ tag }) => tag !== null),
      (one) => one.pair,
    )
    .join((enter) => {
      const made = enter.append("g").attr("class", "tag");
      made.append("rect").attr("rx", 4).attr("height", TAG.height);
      made.append("text").attr("y", 12).attr("text-anchor", "middle").attr("font-size", TAG.size);
      return made;
    })
    .attr("transform", ({ tag }) => `translate(${tag?.x ?? 0},${tag?.y ?? 0})`);
  tags
    .select("rect")
    .attr("width", ({ tag }) => tag?.width ?? 0)
    .attr("fill", PALETTES[theme].background)
    .attr("stroke", (one) => lineOf(one, theme));
  tags
    .select("text")
    .attr("x", ({ tag }) => (tag?.width ?? 0) / 2)
    .attr("font-weight", TAG.weight)
    .attr("fill", inkOf(theme))
    .text(({ label }) => label);
}
