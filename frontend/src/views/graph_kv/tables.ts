// The table twins.

import { visible } from "../../pictures/glyphs";
import { indexColumn } from "../../pictures/ordinal";
import type { Cell, Table } from "../../pictures/table";
import { readersText, tokenHeat } from "./heat";
import {
  blockName,
  knockOutOf,
  massAt,
  massOf,
  MODES,
  modeName,
  nameIn,
  whereText,
  type Shown,
} from "./shown";
import type { ReadLayout } from "./state";

export function pairTable(shown: Shown): Table {
  return {
    caption: `Attention of each block to those it attends to, ${whereText(shown)}`,
    columns: ["reader", "source", "edge", "attention", "Δ log-prob when cut (nats)"],
    rows: shown.pairs.map((pair): Cell[] => [
      nameIn(shown, pair.reader),
      nameIn(shown, pair.source),
      pair.edge !== null,
      massOf(shown, pair),
      knockOutOf(shown, pair)?.delta ?? null,
    ]),
  };
}

export function headTable(shown: Shown, pair: number): Table {
  const one = shown.pairs[pair];
  const rows = Array.from({ length: shown.layers * shown.heads }, (_, at): Cell[] => {
    const [layer, head] = [Math.floor(at / shown.heads), at % shown.heads];
    return [layer, head, one ? massAt(shown, one, layer, head) : null];
  });
  return { caption: "Attention by layer and head", columns: ["layer", "head", "attention"], rows };
}

export function blockTable(shown: Shown, { event }: ReadLayout): Table {
  return {
    caption: `Blocks of the arrangement ${modeName(event.mode)}, in the order of their tokens`,
    columns: [
      "block",
      "role",
      indexColumn("round"),
      indexColumn("first token"),
      "tokens",
      indexColumn("first position"),
      "attends to",
    ],
    rows: event.blocks.map((block, at): Cell[] => [
      blockName(shown.state, event, at),
      block.role,
      block.round,
      block.start,
      block.tokens,
      block.position,
      block.reads.map((source) => blockName(shown.state, event, source)).join(", "),
    ]),
  };
}

export function runTable({ event, rowStart, runStart, runStop }: ReadLayout): Table {
  const rows = Array.from({ length: event.tokens }, (_, row) => row).flatMap((row) => {
    const cells: Cell[][] = [];
    for (let run = rowStart[row] ?? 0; run < (rowStart[row + 1] ?? 0); run++) {
      cells.push([row, runStart[run] ?? 0, runStop[run] ?? 0]);
    }
    return cells;
  });
  return {
    caption: `Ranges of tokens that each token attends to, ${modeName(event.mode)}`,
    columns: [indexColumn("token"), indexColumn("attends from"), "up to, exclusive"],
    rows,
  };
}

export function arrangementTable({ state }: Shown): Table {
  return {
    caption: "Arrangements",
    columns: [
      "arrangement",
      "log-prob of the answer (nats)",
      "probability",
      "writes",
      "right",
      "attention area / sequential",
      "positions used",
    ],
    rows: MODES.flatMap((mode): Cell[][] => {
      const one = state.arrangements.get(mode);
      const layout = state.layouts.get(mode)?.event;
      if (!one && !layout) return [];
      return [
        [
          modeName(mode),
          one?.logprob ?? null,
          one ? Math.exp(one.logprob) : null,
          one ? visible(one.text) : null,
          one?.right ?? null,
          layout?.relative_area ?? null,
          layout?.span ?? null,
        ],
      ];
    }),
  };
}

export function orderTable({ state }: Shown): Table {
  const ids = state.segments?.segments.map(({ id }) => id) ?? [];
  return {
    caption: "Log-probability of the answer by segment order",
    columns: ["arrangement", indexColumn("order"), "segments", "log-prob (nats)"],
    rows: [...state.permutations].flatMap(([mode, orders]) =>
      orders.map(({ number, order, logprob }): Cell[] => [
        modeName(mode),
        number,
        order.map((segment) => visible(ids[segment] ?? "")).join(" "),
        logprob,
      ]),
    ),
  };
}

export function heatTable(shown: Shown): Table {
  const heat = tokenHeat(shown);
  return {
    caption: heat ? readersText(shown, heat) : "Attention by token",
    columns: [indexColumn("token"), "block", "text", "attention", "read"],
    rows: (heat?.tokens ?? []).map((token): Cell[] => [
      token.index,
      nameIn(shown, token.block),
      visible(token.text),
      token.read ? token.mass : null,
      token.read,
    ]),
  };
}

export function sinkTable(shown: Shown): Table {
  const { sinks } = shown.state;
  const [, layers = 0, heads = 0] = sinks?.event.mass.shape ?? [];
  const rows = (sinks?.event.blocks ?? []).flatMap((block, at) =>
    Array.from({ length: layers * heads }, (_, cell): Cell[] => [
      nameIn(shown, block),
      Math.floor(cell / heads),
      cell % heads,
      sinks?.mass[at * layers * heads + cell] ?? null,
    ]),
  );
  return {
    caption: "Attention of each block's tokens after the first to its first token",
    columns: ["block", "layer", "head", "attention"],
    rows,
  };
}
