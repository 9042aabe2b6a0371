// The table twins: the same numbers as the pictures, row by row.

import { visible } from "../../../pictures/glyphs";
import { indexColumn } from "../../../pictures/ordinal";
import type { Cell, Table } from "../../../pictures/table";
import { numbersText } from "./edges";
import { effectOf, groupsOf, isEstimated, nameOf, quotedName, type Shown } from "./shown";
import type { RouteMap, State } from "./state";

const EFFECTS = [
  "Δ log p of the answer (nats)",
  "reader's state, 1 − cosine",
  "how",
  "estimate of Δ log p (nats)",
];

const effects = (state: State, reader: number, source: number): Cell[] => [
  effectOf(state, "answer", reader, source),
  effectOf(state, "reader's state", reader, source),
  effectOf(state, "answer", reader, source) === null
    ? null
    : isEstimated(state, reader, source)
      ? "estimated"
      : "cut",
  state.rows.get(reader)?.estimate?.[source] ?? null,
];

/** What one reader gets of each group before it. */
export function rowTable({ state, reader }: Shown): Table {
  return {
    caption: `Effect of cutting each group from ${quotedName(state, reader)}`,
    columns: [
      indexColumn("group"),
      "text",
      indexColumn("first position"),
      indexColumn("last position"),
      ...EFFECTS,
    ],
    rows: groupsOf(state).map((group, at): Cell[] => [
      at,
      visible(group.text),
      group.start,
      group.end - 1,
      ...effects(state, reader, at),
    ]),
  };
}

/** Every pair that was cut. */
export function matrixTable(state: State): Table {
  const readers = [...state.rows.keys()].sort((a, b) => a - b);
  return {
    caption: "Effect of cutting one edge at a time",
    columns: [
      indexColumn("reader"),
      "reader's text",
      indexColumn("source"),
      "source's text",
      ...EFFECTS,
    ],
    rows: readers.flatMap((reader) =>
      groupsOf(state)
        .slice(0, reader)
        .map((_, source): Cell[] => [
          reader,
          nameOf(state, reader),
          source,
          nameOf(state, source),
          ...effects(state, reader, source),
        ]),
    ),
  };
}

export function curveTable(state: State): Table {
  return {
    caption: "Attention knockout by source and layer",
    columns: [
      "source",
      "positions",
      "layer",
      "layers cut",
      "Δ log p (nats)",
      "Δ p (%)",
      "random: mean Δ log p",
      "random: standard deviation",
    ],
    rows: [...state.curves.values()].flatMap((curve) =>
      curve.delta_logprob.map((delta, at): Cell[] => [
        visible(curve.label),
        numbersText(curve.positions),
        at,
        windowText(curve.windows[at]),
        delta,
        curve.percent[at] ?? null,
        curve.control_mean[at] ?? null,
        curve.control_deviation[at] ?? null,
      ]),
    ),
  };
}

export function windowText(window: readonly unknown[] | undefined): string {
  const [first, last] = (window ?? []).map(Number);
  return first === last ? `${first ?? ""}` : `${first ?? ""}-${last ?? ""}`;
}

export function traceTable(state: State): Table {
  const width = groupsOf(state).length;
  return {
    caption: "Causal tracing: indirect effect of restoring one state",
    columns: ["restored", "layer", indexColumn("group"), "text", "effect on p", "standard error"],
    rows: [...state.traces.values()].flatMap(({ event, layers, effect, error }) =>
      Array.from({ length: layers * width }, (_, at) => at)
        .filter((at) => at % width >= width - event.done)
        .map((at): Cell[] => [
          event.restored,
          Math.floor(at / width),
          at % width,
          nameOf(state, at % width),
          effect[at] ?? null,
          error[at] ?? null,
        ]),
    ),
  };
}

/** The routes that are shown, the largest first. */
export function routeTable(state: State, routes: RouteMap, kept: readonly number[]): Table {
  const text = (position: number) => visible(state.tokens[position]?.text ?? "");
  const rows = kept.map((edge): Cell[] => {
    const [query = 0, key = 0] = [routes.query[edge], routes.key[edge]];
    return [
      routes.layer[edge] ?? null,
      query,
      text(query),
      key,
      text(key),
      routes.importance[edge] ?? null,
      routes.head[edge] ?? null,
    ];
  });
  return {
    caption: "Attention edges of the contribution graph",
    columns: [
      "layer",
      indexColumn("reader"),
      "text",
      indexColumn("source"),
      "text of source",
      "importance",
      "largest head",
    ],
    rows: rows.sort((a, b) => Number(b[5]) - Number(a[5])),
  };
}

export function agreementTable(state: State): Table {
  const { routes = [], cuts = [] } = state.agreements.get("target") ?? {};
  return {
    caption: "Contribution and causal effect of each group on the answer",
    columns: [
      indexColumn("group"),
      "text",
      "contribution: importance",
      "causal effect: −Δ log p (nats)",
    ],
    rows: routes.map((importance, at): Cell[] => [
      at,
      nameOf(state, at),
      importance,
      cuts[at] ?? null,
    ]),
  };
}

export function editTable(state: State): Table {
  const { output = [], continuation = [] } = state.edit ?? {};
  return {
    caption: "The output without and with the cuts",
    columns: [
      indexColumn("position"),
      "token",
      "log p",
      "log p with the cuts",
      "generated with the cuts",
      "its log p",
    ],
    rows: output.map((token, at): Cell[] => [
      token.position,
      visible(token.text),
      token.logprob,
      token.cut_logprob,
      visible(continuation[at]?.text ?? ""),
      continuation[at]?.logprob ?? null,
    ]),
  };
}
