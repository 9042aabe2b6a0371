// What the events of a run add up to. Order does not matter beyond "later scores replace earlier".

import type { Change } from "../../view/fold";
import { whenRead, type ArraySource, type Numbers } from "../../net/arrays";
import type {
  Baseline,
  Convergence,
  Cost,
  Curve,
  MethodEvent,
  Output,
  Replacement,
  Scores,
  Soft,
  Token,
  Tokens,
} from "../../gen/reagent";

/** A scores event with its arrays read. */
export interface Maps {
  event: Scores;
  rows: number;
  positions: number;
  mean: Numbers;
  standardError: Numbers;
  words: number;
  wordError: Numbers;
  sentences: number;
  sentenceError: Numbers;
}

export interface BaselineMap {
  event: Baseline;
  scores: Numbers;
}

export interface State {
  tokens: Token[];
  promptLength: number;
  output: Output | null;
  replacement: Replacement | null;
  maps: Maps | null;
  convergence: ReadonlyMap<number, Convergence>;
  baselines: ReadonlyMap<string, BaselineMap>;
  curves: ReadonlyMap<string, Curve>;
  soft: ReadonlyMap<string, Soft>;
  cost: Cost | null;
}

export const EMPTY: State = {
  tokens: [],
  promptLength: 0,
  output: null,
  replacement: null,
  maps: null,
  convergence: new Map(),
  baselines: new Map(),
  curves: new Map(),
  soft: new Map(),
  cost: null,
};

export function changeOf(
  event: MethodEvent,
  arrays: ArraySource,
): Change<State> | Promise<Change<State>> {
  switch (event.kind) {
    case "tokens":
      return (state) => withTokens(state, event);
    case "output":
      return (state) => ({ ...state, output: event });
    case "replacement":
      return (state) => ({ ...state, replacement: event });
    case "scores":
      return withScores(event, arrays);
    case "convergence":
      return (state) => ({ ...state, convergence: put(state.convergence, event.row, event) });
    case "baseline":
      return withBaseline(event, arrays);
    case "curve":
      return (state) => ({ ...state, curves: put(state.curves, curveKey(event), event) });
    case "soft":
      return (state) => ({ ...state, soft: put(state.soft, event.order, event) });
    case "cost":
      return (state) => ({ ...state, cost: event });
    case "probes": // for the export: the scores can be estimated again from them
    case "progress":
    case "omitted":
    case "model":
      return (state) => state; // shown by the page, not by the view
  }
}

const curveKey = (curve: Curve) => `${curve.direction}/${curve.order}`;

function put<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key, value: Value) {
  return new Map(map).set(key, value);
}

function withTokens(state: State, event: Tokens): State {
  const tokens = [...state.tokens];
  tokens.splice(event.start, event.tokens.length, ...event.tokens);
  return { ...state, tokens, promptLength: event.prompt_length };
}

function withScores(event: Scores, arrays: ArraySource): Change<State> | Promise<Change<State>> {
  const refs = [
    event.mean,
    event.standard_error,
    event.word_standard_error,
    event.sentence_standard_error,
  ];
  return whenRead(refs.map(arrays), (read) => {
    const maps = mapsOf(event, read);
    return (state) => (isOlder(event, state) ? state : { ...state, maps });
  });
}

/** Arrays over HTTP may arrive after those of a later event. */
function isOlder(event: Scores, { maps }: State): boolean {
  return maps !== null && (event.probes < maps.event.probes || (maps.event.final && !event.final));
}

function mapsOf(event: Scores, [mean, error, word, sentence]: Numbers[]): Maps {
  const none = new Float32Array();
  return {
    event,
    rows: event.mean.shape[0] ?? 0,
    positions: event.mean.shape[1] ?? 0,
    mean: mean ?? none,
    standardError: error ?? none,
    words: event.word_standard_error.shape[1] ?? 0,
    wordError: word ?? none,
    sentences: event.sentence_standard_error.shape[1] ?? 0,
    sentenceError: sentence ?? none,
  };
}

function withBaseline(
  event: Baseline,
  arrays: ArraySource,
): Change<State> | Promise<Change<State>> {
  return whenRead([arrays(event.scores)], ([scores = new Float32Array()]) => (state) => ({
    ...state,
    baselines: put(state.baselines, event.name, { event, scores }),
  }));
}
