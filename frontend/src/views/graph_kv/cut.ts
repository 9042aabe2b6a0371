// Running again without an edge.

import { get } from "svelte/store";
import type { ViewContext } from "../../view/view";
import type { EdgeRow } from "../../gen/graph_kv";
import type { Shown } from "./shown";

/** The run's edge between the chosen pair of segments; null where the run has none. */
export function edgeAt({ pairs, pair, layout, state }: Shown): EdgeRow | null {
  const number = pairs[pair ?? -1]?.edge ?? -1;
  const edge = layout?.event.edges[number];
  const given = state.segments?.edges.some((one) => same(one, edge));
  return edge && given ? edge : null;
}

const same = (a: EdgeRow, b: EdgeRow | undefined) =>
  a.source === b?.source && a.target === b.target;

/** A new run with all edges but the chosen one, written out where a preset made them. */
export function cutEdge(context: ViewContext, shown: Shown): void {
  const edge = edgeAt(shown);
  const { segments } = shown.state;
  if (!edge || !segments) return context.announce("Select an edge between two segments first");
  const id = (segment: number) => segments.segments[segment]?.id ?? "";
  const edges = segments.edges
    .filter((one) => !same(one, edge))
    .map(({ source, target }) => ({ source: id(source), target: id(target) }));
  const { preset } = get(context.run).defaults;
  context.rerun?.({ edges, preset });
}
