// What the events of a run add up to.

import type {
  Blanked,
  DecoderMap,
  Map as MapEvent,
  MapPoints,
  Mask,
  MethodEvent,
  Scene,
  AnswerTokens,
} from "../../gen/seg_similarity";

export interface State {
  scene: Scene | null;
  tokens: AnswerTokens | null;
  /** By the position whose state is read. */
  maps: ReadonlyMap<number, MapEvent>;
  /** In the order in which they came; the first is the answer's. */
  masks: readonly Mask[];
  points: MapPoints | null;
  decoderMap: DecoderMap | null;
  blanked: readonly Blanked[];
}

export const EMPTY: State = {
  scene: null,
  tokens: null,
  maps: new Map(),
  masks: [],
  points: null,
  decoderMap: null,
  blanked: [],
};

export const changeOf = (event: MethodEvent) => (state: State) => applied(state, event);

function applied(state: State, event: MethodEvent): State {
  switch (event.kind) {
    case "scene":
      return { ...state, scene: event };
    case "tokens":
      return { ...state, tokens: event };
    case "map":
      return { ...state, maps: new Map(state.maps).set(event.position, event) };
    case "mask":
      return { ...state, masks: [...state.masks, event] };
    case "points":
      return { ...state, points: event };
    case "decoder_map":
      return { ...state, decoderMap: event };
    case "blanked":
      return { ...state, blanked: [...state.blanked, event] };
    case "progress":
    case "omitted":
    case "model":
      return state; // shown by the page, not by the view
  }
}
