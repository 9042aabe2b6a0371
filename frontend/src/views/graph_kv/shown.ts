// What all panels are drawn from: the run's state, and what of it is looked at.

import { get } from "svelte/store";
import type { Block, EdgeMass, EdgeRow } from "../../gen/graph_kv";
import type { Panel as AnyPanel } from "../../view/panel";
import { legible } from "../../pictures/glyphs";
import { fromOne } from "../../pictures/ordinal";
import type { Item } from "../../view/selection";
import type { Theme } from "../../base/theme";
import type { Place, ViewContext } from "../../view/view";
import { cellMean } from "./mass";
import { partKey, type Mode, type ReadLayout, type State } from "./state";

/** A block that attends to another, or to itself. */
export interface Pair {
  reader: number;
  source: number;
  /** Index of the layout's edge; null where the pair is no edge. */
  edge: number | null;
}

export interface Shown {
  state: State;
  theme: Theme;
  /** The arrangement that the run is about. */
  layout: ReadLayout | null;
  pairs: readonly Pair[];
  /** Number of the pair that is looked at. */
  pair: number | null;
  /** null: the mean. */
  layer: number | null;
  head: number | null;
  layers: number;
  heads: number;
  /** Whose mask is drawn. */
  masked: ReadLayout | null;
}

export type Panel = AnyPanel<Shown>;

export const MODES: readonly Mode[] = [
  "graph",
  "graph_ordered",
  "sequential",
  "parallel",
  "full",
  "random_edges",
];

export const modeName = (mode: Mode) => mode.replaceAll("_", " ");

export function readShown(state: State, context: ViewContext): Shown {
  const layout = state.layouts.values().next().value ?? null;
  const [, layers = 0, heads = 0] = state.edgeMass?.event.mass.shape ?? [];
  const pairs = layout ? pairsOf(layout) : [];
  const mode = MODES.find((one) => one === context.state.get("mask"));
  return {
    state,
    theme: get(context.theme),
    layout,
    pairs,
    pair: pairOf(pairs, readNumber(context, "pair")),
    layer: below(readNumber(context, "layer"), layers),
    head: below(readNumber(context, "head"), heads),
    layers,
    heads,
    masked: (mode && state.layouts.get(mode)) ?? layout,
  };
}

export function readNumber(context: ViewContext, key: string): number | null {
  const text = context.state.get(key);
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null;
}

const below = (value: number | null, limit: number) =>
  value !== null && value < limit ? value : null;

/** The pair asked for; else the first drawn edge, else the last block with itself. */
function pairOf(pairs: readonly Pair[], asked: number | null): number | null {
  if (asked !== null && asked < pairs.length) return asked;
  if (pairs.length === 0) return null;
  const drawn = pairs.findIndex(({ edge }) => edge === 0);
  return drawn < 0 ? pairs.length - 1 : drawn;
}

const memory = new WeakMap<ReadLayout, readonly Pair[]>();

/** Every block with each that it attends to, then with itself. */
export function pairsOf(layout: ReadLayout): readonly Pair[] {
  const known = memory.get(layout);
  if (known) return known;
  const { blocks, edges } = layout.event;
  const pairs = blocks.flatMap(({ reads }, reader) =>
    [...reads, reader].map((source) => ({
      reader,
      source,
      edge: edgeOf(edges, blocks, reader, source),
    })),
  );
  memory.set(layout, pairs);
  return pairs;
}

function edgeOf(
  edges: readonly EdgeRow[],
  blocks: readonly Block[],
  reader: number,
  source: number,
) {
  if (reader === source) return null;
  const [target, from] = [blocks[reader]?.segment, blocks[source]?.segment];
  const found = edges.findIndex((edge) => edge.target === target && edge.source === from);
  return found < 0 ? null : found;
}

/** Its segment's id, or its role; copies of a segment by their round. */
export function blockName(
  state: State,
  { blocks }: Pick<ReadLayout["event"], "blocks">,
  at: number,
) {
  const block = blocks[at];
  if (!block) return "";
  if (block.segment === null) return block.role;
  const id = legible(state.segments?.segments[block.segment]?.id ?? String(block.segment));
  const copies = blocks.filter(({ segment }) => segment === block.segment).length;
  return copies > 1 ? `${id}, round ${fromOne(block.round ?? 0)}` : id;
}

export const nameIn = ({ state, layout }: Shown, block: number) =>
  layout ? blockName(state, layout.event, block) : "";

/** "emma attends to ring", "emma attends to itself". */
export function pairName(shown: Shown, { reader, source }: Pair): string {
  const name = nameIn(shown, reader);
  return `${name} attends to ${source === reader ? "itself" : nameIn(shown, source)}`;
}

/** What each of so many tokens adds; the last block goes on with the answer as it is written. */
export function tokenTexts(
  { texts, segments }: State,
  { blocks, tokens }: ReadLayout["event"],
  count = tokens,
): string[] {
  const answer = [...(texts.get("question") ?? []).slice(-1), ...(texts.get("answer") ?? [])];
  const all = blocks.flatMap(({ role, segment, tokens: own }, at) => {
    const known = role === "answer" ? answer : (texts.get(partKey(role, segment)) ?? []);
    const more = at === blocks.length - 1 ? count - tokens : 0;
    return Array.from({ length: own + more }, (_, token) => known[token] ?? (segments ? "" : "…"));
  });
  return all.slice(0, count);
}

const rows = new WeakMap<EdgeMass, ReadonlyMap<string, number>>();

function rowsOf(event: EdgeMass): ReadonlyMap<string, number> {
  const known = rows.get(event);
  if (known) return known;
  const made = new Map(event.readers.map((reader, at) => [`${reader}/${event.sources[at]}`, at]));
  rows.set(event, made);
  return made;
}

/** Share of attention of a pair in the layer and head, each null for the mean; null: not known. */
export function massAt(
  { state: { edgeMass }, layers, heads }: Shown,
  { reader, source }: Pair,
  layer: number | null,
  head: number | null,
): number | null {
  if (!edgeMass) return null;
  const row = rowsOf(edgeMass.event).get(`${reader}/${source}`);
  return row === undefined ? null : cellMean(edgeMass.mass, row, [layers, heads], [layer, head]);
}

export const massOf = (shown: Shown, pair: Pair) => massAt(shown, pair, shown.layer, shown.head);

/** "layer 2, head 1", "mean over layers and heads". */
export function whereText({ layer, head }: Pick<Shown, "layer" | "head">): string {
  if (layer === null && head === null) return "mean over layers and heads";
  if (layer === null) return `head ${head}, mean over layers`;
  return head === null ? `layer ${layer}, mean over heads` : `layer ${layer}, head ${head}`;
}

export const knockOutOf = ({ state }: Shown, { edge }: Pair) =>
  edge === null ? null : (state.knockOuts.get(edge) ?? null);

export const PAIR = "pair";
export const pairItem = (index: number): Item => ({ kind: PAIR, index });
export const pairIndex = (item: Item | null) => (item?.kind === PAIR ? item.index : null);

/** Blocks by their numbers: what is read, and by which. */
export function placeOfPair({ pairs }: Shown, item: Item): Place | null {
  const pair = pairs[pairIndex(item) ?? -1];
  return pair ? { type: "edge", source: pair.source, target: pair.reader } : null;
}

/** The pair that is looked at in the address as in the selection. */
export function choosePair(context: ViewContext, pair: number | null): void {
  context.selection.choose(pair === null ? null : pairItem(pair));
  context.state.set("pair", pair === null ? null : String(pair));
}

/** The pair of a block with itself: how a block is chosen. */
export const ownPair = (pairs: readonly Pair[], block: number) =>
  pairs.findIndex(({ reader, source }) => reader === block && source === block);
