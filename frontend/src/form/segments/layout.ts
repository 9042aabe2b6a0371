// Layout of the segment graph: one column per round, in the order of the list.

import type { Documents } from "./documents";
import { roundsOf } from "./structure";

export interface Place {
  /** Column and line, from 0. */
  column: number;
  line: number;
}

export interface GraphLayout {
  places: ReadonlyMap<string, Place>;
  columns: number;
  lines: number;
}

/**
 * Columns are as long as the longest of them; shorter ones are centred. Within a column,
 * a segment is placed near those it attends to, so that few edges cross.
 */
export function layoutOf(documents: Documents): GraphLayout {
  const rounds = roundsOf(documents);
  const members: string[][] = [];
  for (const { id } of documents.segments) (members[rounds.get(id) ?? 0] ??= []).push(id);
  const lines = Math.max(0, ...members.map(({ length }) => length));
  const places = new Map<string, Place>();
  members.forEach((ids, column) => {
    const wished = new Map(ids.map((id, at) => [id, sourceLine(id, documents, places) ?? at]));
    const order = [...ids].sort((a, b) => (wished.get(a) ?? 0) - (wished.get(b) ?? 0));
    order.forEach((id, at) => places.set(id, { column, line: at + (lines - ids.length) / 2 }));
  });
  return { places, columns: members.length, lines };
}

/** The mean line of the sources that have their place; null: it has none. */
function sourceLine(
  id: string,
  { edges }: Documents,
  places: ReadonlyMap<string, Place>,
): number | null {
  const lines = edges
    .filter(({ target }) => target === id)
    .flatMap(({ source }) => places.get(source)?.line ?? []);
  return lines.length ? lines.reduce((sum, line) => sum + line, 0) / lines.length : null;
}

/** A curve from the right of one place to the left of another, in pixels. */
export function curve(from: readonly [number, number], to: readonly [number, number]): string {
  const [x1, y1] = from;
  const [x2, y2] = to;
  const reach = Math.max(18, Math.abs(x2 - x1) / 2);
  return `M${x1},${y1} C${x1 + reach},${y1} ${x2 - reach},${y2} ${x2},${y2}`;
}
