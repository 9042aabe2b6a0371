// What the events of a run add up to. Arrays over HTTP may arrive in any order.

import type { Change } from "../../view/fold";
import { whenRead, type ArraySource, type Numbers } from "../../net/arrays";
import type {
  Answer,
  Arrangement,
  Cost,
  EdgeMass,
  KnockOut,
  Layout,
  MethodEvent,
  Permutation,
  RouteAgreement,
  Segments,
  SegmentTokens,
  Sinks,
  Spread,
  TokenMass,
} from "../../gen/graph_kv";

export type Mode = Layout["mode"];

/** A layout with its mask read: row i is the runs `rowStart[i]` to `rowStart[i + 1]`. */
export interface ReadLayout {
  event: Layout;
  rowStart: Numbers;
  runStart: Numbers;
  runStop: Numbers;
}

/** An event with its numbers read. */
export interface WithMass<Event> {
  event: Event;
  mass: Numbers;
}

export interface State {
  segments: Segments | null;
  /** Texts of tokens by `partKey`. */
  texts: ReadonlyMap<string, readonly string[]>;
  layouts: ReadonlyMap<Mode, ReadLayout>;
  answer: Answer | null;
  arrangements: ReadonlyMap<Mode, Arrangement>;
  edgeMass: WithMass<EdgeMass> | null;
  tokenMass: WithMass<TokenMass> | null;
  sinks: WithMass<Sinks> | null;
  routes: RouteAgreement | null;
  /** By number of the edge in the chosen mode's layout. */
  knockOuts: ReadonlyMap<number, KnockOut>;
  permutations: ReadonlyMap<Mode, readonly Permutation[]>;
  spreads: ReadonlyMap<Mode, Spread>;
  cost: Cost | null;
}

export const EMPTY: State = {
  segments: null,
  texts: new Map(),
  layouts: new Map(),
  answer: null,
  arrangements: new Map(),
  edgeMass: null,
  tokenMass: null,
  sinks: null,
  routes: null,
  knockOuts: new Map(),
  permutations: new Map(),
  spreads: new Map(),
  cost: null,
};

export const partKey = (part: SegmentTokens["part"], segment: number | null) =>
  segment === null ? part : `${part}/${segment}`;

export function changeOf(
  event: MethodEvent,
  arrays: ArraySource,
): Change<State> | Promise<Change<State>> {
  switch (event.kind) {
    case "segments":
      return (state) => ({ ...state, segments: event });
    case "segment_tokens":
      return (state) => withTexts(state, event);
    case "layout":
      return withLayout(event, arrays);
    case "answer":
      return (state) => ({ ...state, answer: event });
    case "arrangement":
      return (state) => ({ ...state, arrangements: put(state.arrangements, event.mode, event) });
    case "edge_mass":
      return withMass(event, arrays, (edgeMass) => (state) => ({ ...state, edgeMass }));
    case "token_mass":
      return withMass(event, arrays, (tokenMass) => (state) => ({ ...state, tokenMass }));
    case "sinks":
      return withMass(event, arrays, (sinks) => (state) => ({ ...state, sinks }));
    case "routes":
      return (state) => ({ ...state, routes: event });
    case "knock_out":
      return (state) => ({ ...state, knockOuts: put(state.knockOuts, event.edge, event) });
    case "permutation":
      return (state) => withPermutation(state, event);
    case "spread":
      return (state) => ({ ...state, spreads: put(state.spreads, event.mode, event) });
    case "cost":
      return (state) => ({ ...state, cost: event });
    case "progress":
    case "omitted":
    case "model":
      return (state) => state; // shown by the page, not by the view
  }
}

function put<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key, value: Value) {
  return new Map(map).set(key, value);
}

function withTexts(state: State, { part, segment, start, tokens }: SegmentTokens): State {
  const key = partKey(part, segment);
  const texts = [...(state.texts.get(key) ?? [])];
  texts.splice(start, tokens.length, ...tokens.map(({ text }) => text));
  return { ...state, texts: put(state.texts, key, texts) };
}

function withLayout(event: Layout, arrays: ArraySource): Change<State> | Promise<Change<State>> {
  const refs = [event.row_start, event.run_start, event.run_stop];
  const none = new Int32Array();
  return whenRead(refs.map(arrays), ([rowStart = none, runStart = none, runStop = none]) => {
    const read = { event, rowStart, runStart, runStop };
    return (state) => ({ ...state, layouts: put(state.layouts, event.mode, read) });
  });
}

function withMass<Event extends EdgeMass | TokenMass | Sinks>(
  event: Event,
  arrays: ArraySource,
  change: (read: WithMass<Event>) => Change<State>,
): Change<State> | Promise<Change<State>> {
  return whenRead([arrays(event.mass)], ([mass = new Float32Array()]) => change({ event, mass }));
}

function withPermutation(state: State, event: Permutation): State {
  const orders = [...(state.permutations.get(event.mode) ?? [])];
  orders[event.number] = event;
  return { ...state, permutations: put(state.permutations, event.mode, orders) };
}
