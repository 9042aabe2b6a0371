// Slices of attention arrays.

import type { Numbers } from "../../net/arrays";
import type { TokenMass } from "../../gen/graph_kv";
import type { WithMass } from "./state";

/** One block's attention to each token, in a layer or the mean of all: [tokens]. */
export function massSlice(
  { event, mass }: WithMass<TokenMass>,
  block: number,
  layer: number | null,
): Float64Array {
  const [layers = 0, blocks = 0, tokens = 0] = event.mass.shape;
  const sum = new Float64Array(tokens);
  const chosen = layer === null ? Array.from({ length: layers }, (_, l) => l) : [layer];
  for (const l of chosen) {
    for (let at = 0; at < tokens; at++) {
      sum[at] = (sum[at] ?? 0) + (mass[(l * blocks + block) * tokens + at] ?? 0) / chosen.length;
    }
  }
  return sum;
}

/** The mean of [rows, layers, heads] numbers in one row, over the layers and heads asked for. */
export function cellMean(
  mass: Numbers,
  row: number,
  [layers, heads]: readonly [number, number],
  [layer, head]: readonly [number | null, number | null],
): number {
  let [sum, count] = [0, 0];
  for (let l = layer ?? 0; l < (layer === null ? layers : layer + 1); l++) {
    for (let h = head ?? 0; h < (head === null ? heads : head + 1); h++) {
      sum += mass[(row * layers + l) * heads + h] ?? 0;
      count += 1;
    }
  }
  return count ? sum / count : 0;
}
