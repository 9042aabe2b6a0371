// Routes at any threshold, from the edges that the run kept above its floor.

import type { RouteMap } from "./state";

/** Nodes are states: level l is the input of layer l, the last level the output of the last layer. */
export interface Route {
  /** Indices of attention edges on a route, the largest first. */
  edges: number[];
  /** [levels, positions], 1: on a route. */
  nodes: Uint8Array;
}

/**
 * From the targets' last states downwards: through the MLP or past it, then along attention edges
 * and past attention, wherever a part is at least `share` of its block's output.
 */
export function routesAt(routes: RouteMap, share: number, targets: readonly number[]): Route {
  const tau = Math.fround(share); // shares are float32
  const { layers, positions, importance } = routes;
  const nodes = new Uint8Array((layers + 1) * positions);
  for (const target of targets) nodes[layers * positions + target] = 1;
  const byReader = edgesByReader(routes, tau);
  const edges: number[] = [];
  for (let layer = layers - 1; layer >= 0; layer--) {
    for (let position = 0; position < positions; position++) {
      const at = layer * positions + position;
      if (!nodes[at + positions] || !passes(routes, at, tau)) continue;
      if ((routes.attentionResidual[at] ?? 0) >= tau) nodes[at] = 1;
      for (const edge of byReader.get(at) ?? []) {
        nodes[layer * positions + (routes.key[edge] ?? 0)] = 1;
        edges.push(edge);
      }
    }
  }
  edges.sort((a, b) => (importance[b] ?? 0) - (importance[a] ?? 0));
  return { edges, nodes };
}

const passes = ({ mlp, mlpResidual }: RouteMap, at: number, tau: number) =>
  (mlp[at] ?? 0) >= tau || (mlpResidual[at] ?? 0) >= tau;

function edgesByReader({ layer, query, importance, positions }: RouteMap, tau: number) {
  const found = new Map<number, number[]>();
  importance.forEach((share, edge) => {
    if (share < tau) return;
    const at = (layer[edge] ?? 0) * positions + (query[edge] ?? 0);
    const known = found.get(at);
    if (known) known.push(edge);
    else found.set(at, [edge]);
  });
  return found;
}
