// What the events of a run add up to.

import type { Map as MapEvent, Mask, MethodEvent, Scene, Tokens } from "../../gen/seg_similarity";

export interface State {
  scene: Scene | null;
  tokens: Tokens | null;
  /** By the position whose state is read. */
  maps: ReadonlyMap<number, MapEvent>;
  mask: Mask | null;
}

export const EMPTY: State = { scene: null, tokens: null, maps: new Map(), mask: null };

export function applied(state: State, event: MethodEvent): State {
  switch (event.kind) {
    case "scene":
      return { ...state, scene: event };
    case "tokens":
      return { ...state, tokens: event };
    case "map":
      return { ...state, maps: new Map(state.maps).set(event.position, event) };
    case "mask":
      return { ...state, mask: event };
    case "progress":
    case "model":
      return state; // shown by the page, not by the view
  }
}
