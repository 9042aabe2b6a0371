// Where the arrow keys lead in a long text: tokens and gaps, in view or not.

import type { Line, LineItem } from "./stripLines";

/** `bring` moves a line into view, so that it is drawn when this returns. */
export function nextStop(
  lines: readonly Line[],
  from: HTMLElement,
  key: string,
  bring: (line: number) => void,
  list: HTMLElement,
): LineItem | null {
  const place = placeOf(from);
  const line = lines.findIndex(({ items }) => items.some((item) => item.from === place));
  if (line < 0) return null;
  const items = lines[line]?.items ?? [];
  const at = items.findIndex((item) => item.from === place);
  const found = beside(lines, line, at, key);
  if (found) {
    bring(found.line);
    return found.item;
  }
  const by = { ArrowUp: -1, ArrowDown: 1 }[key];
  const next = by ? lineBeside(lines, line, by) : -1;
  if (next < 0) return null;
  const { left } = from.getBoundingClientRect();
  bring(next);
  return nearest(lines[next]?.items ?? [], left, list);
}

const placeOf = (element: HTMLElement) => Number(element.getAttribute("aria-posinset")) - 1;

function beside(lines: readonly Line[], line: number, at: number, key: string) {
  const items = lines[line]?.items ?? [];
  const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (by && items[at + by]) return { line, item: items[at + by] as LineItem };
  const next = by ? lineBeside(lines, line, by) : endLine(lines, key);
  const last = by === -1 || key === "End";
  const item = lines[next]?.items.at(last ? -1 : 0);
  return item ? { line: next, item } : null;
}

function endLine(lines: readonly Line[], key: string): number {
  if (key === "Home") return lines.findIndex(isText);
  return key === "End" ? lines.findLastIndex(isText) : -1;
}

const isText = ({ items }: Line) => items.length > 0;

function lineBeside(lines: readonly Line[], line: number, by: number): number {
  let next = line + by;
  while (lines[next] && !isText(lines[next] as Line)) next += by;
  return lines[next] ? next : -1;
}

/** Of the items of a line, the one that begins nearest to a place in the window. */
function nearest(items: readonly LineItem[], left: number, list: HTMLElement): LineItem | null {
  const drawn = [...list.querySelectorAll<HTMLElement>(".token, .gap")];
  const byPlace = new Map(drawn.map((element) => [placeOf(element), element]));
  const distance = (item: LineItem) =>
    Math.abs((byPlace.get(item.from)?.getBoundingClientRect().left ?? Infinity) - left);
  return items.reduce<LineItem | null>(
    (best, item) => (best && distance(best) <= distance(item) ? best : item),
    null,
  );
}
