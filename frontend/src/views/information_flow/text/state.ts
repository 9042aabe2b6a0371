// What the events of a run add up to; what has not come yet is null, or absent from its map.

import type { Change } from "../../../view/fold";
import { whenRead, type ArraySource, type Numbers } from "../../../net/arrays";
import type {
  Agreement,
  Corrupted,
  Cost,
  Edit,
  Flow,
  FlowRow,
  Groups,
  Knockout,
  MethodEvent,
  Output,
  Routes,
  Token,
  Tokens,
  Trace,
} from "../../../gen/information_flow";

/** Effects of restored states: [layers, groups], row-major. */
export interface TraceMap {
  event: Trace;
  layers: number;
  effect: Numbers;
  error: Numbers;
}

/** Contributions of one forward pass, by edge and by (layer, position). */
export interface RouteMap {
  event: Routes;
  layer: Numbers;
  query: Numbers;
  key: Numbers;
  importance: Numbers;
  head: Numbers;
  layers: number;
  positions: number;
  attentionResidual: Numbers;
  mlp: Numbers;
  mlpResidual: Numbers;
}

export interface State {
  tokens: readonly Token[];
  promptLength: number;
  output: Output | null;
  groups: Groups | null;
  /** By the group that reads. */
  rows: ReadonlyMap<number, FlowRow>;
  /** The same, cut in one layer alone, by that layer. */
  layerRows: ReadonlyMap<number, ReadonlyMap<number, FlowRow>>;
  flow: Flow | null;
  curves: ReadonlyMap<number, Knockout>;
  edit: Edit | null;
  corrupted: Corrupted | null;
  traces: ReadonlyMap<Trace["restored"], TraceMap>;
  routes: RouteMap | null;
  agreements: ReadonlyMap<Agreement["about"], Agreement>;
  cost: Cost | null;
}

export const EMPTY: State = {
  tokens: [],
  promptLength: 0,
  output: null,
  groups: null,
  rows: new Map(),
  layerRows: new Map(),
  flow: null,
  curves: new Map(),
  edit: null,
  corrupted: null,
  traces: new Map(),
  routes: null,
  agreements: new Map(),
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
    case "groups":
      return (state) => ({ ...state, groups: event });
    case "flow_row":
      return (state) => withRow(state, event);
    case "flow":
      return (state) => ({ ...state, flow: event });
    case "knockout":
      return (state) => ({ ...state, curves: put(state.curves, event.source, event) });
    case "edit":
      return (state) => ({ ...state, edit: event });
    case "corrupted":
      return (state) => ({ ...state, corrupted: event });
    case "trace":
      return withTrace(event, arrays);
    case "routes":
      return withRoutes(event, arrays);
    case "agreement":
      return (state) => ({ ...state, agreements: put(state.agreements, event.about, event) });
    case "cost":
      return (state) => ({ ...state, cost: event });
    default:
      return (state) => state; // of pictures, or shown by the page
  }
}

function put<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key, value: Value) {
  return new Map(map).set(key, value);
}

function withRow(state: State, event: FlowRow): State {
  const { layer = null, row } = event;
  if (layer === null) return { ...state, rows: put(state.rows, row, event) };
  const rows = put(state.layerRows.get(layer) ?? new Map(), row, event);
  return { ...state, layerRows: put(state.layerRows, layer, rows) };
}

function withTokens(state: State, event: Tokens): State {
  const tokens = [...state.tokens];
  tokens.splice(event.start, event.tokens.length, ...event.tokens);
  return { ...state, tokens, promptLength: event.prompt_length };
}

function withTrace(event: Trace, arrays: ArraySource): Change<State> | Promise<Change<State>> {
  return whenRead([event.effect, event.deviation].map(arrays), (read) => {
    const [effect = new Float32Array(), error = new Float32Array()] = read;
    const map = { event, layers: event.effect.shape[0] ?? 0, effect, error };
    return (state) =>
      isOlder(event, state.traces.get(event.restored))
        ? state
        : { ...state, traces: put(state.traces, event.restored, map) };
  });
}

/** Arrays over HTTP may arrive after those of a later event. */
const isOlder = (event: Trace, known: TraceMap | undefined) =>
  known !== undefined && (known.event.final || event.done < known.event.done);

function withRoutes(event: Routes, arrays: ArraySource): Change<State> | Promise<Change<State>> {
  const refs = [
    event.layer,
    event.query,
    event.key,
    event.importance,
    event.head,
    event.attention_residual,
    event.mlp,
    event.mlp_residual,
  ];
  return whenRead(refs.map(arrays), (read) => {
    const part = (at: number) => read[at] ?? new Float32Array();
    const [layers = 0, positions = 0] = event.mlp.shape;
    const routes: RouteMap = {
      event,
      layer: part(0),
      query: part(1),
      key: part(2),
      importance: part(3),
      head: part(4),
      layers,
      positions,
      attentionResidual: part(5),
      mlp: part(6),
      mlpResidual: part(7),
    };
    return (state) => ({ ...state, routes });
  });
}
