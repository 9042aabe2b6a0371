// The table twin of a picture: a real table, sortable by each column.

import { ascending, descending } from "d3-array";
import { select } from "d3-selection";
import { showNumber } from "./numbers";

export type Cell = string | number | boolean | null;

export interface Table {
  caption: string;
  columns: string[];
  rows: Cell[][];
}

interface Order {
  column: number;
  down: boolean;
}

export interface TablePicture {
  render(table: Table): void;
}

/** Rows beyond this are left to the export; the caption says so. */
const SHOWN_ROWS = 2000;

export function createTable(root: HTMLElement): TablePicture {
  let order: Order | null = null;
  let current: Table | null = null;
  const scroller = select(root)
    .append("div")
    .attr("class", "table-scroll")
    .attr("tabindex", 0)
    .attr("role", "region");
  const element = scroller.append("table");
  const caption = element.append("caption");
  const head = element.append("thead").append("tr");
  const body = element.append("tbody");

  function sortBy(column: number): void {
    order = { column, down: order?.column === column ? !order.down : true };
    if (current) render(current);
  }

  function render(table: Table): void {
    current = table;
    scroller.attr("aria-label", table.caption);
    caption.text(captionOf(table));
    head
      .selectAll<HTMLElement, string>("th")
      .data(table.columns)
      .join((enter) =>
        enter
          .append("th")
          .attr("scope", "col")
          .call((th) => th.append("button")),
      )
      .attr("aria-sort", (_, i) => ariaSort(order, i))
      .select("button")
      .attr("type", "button")
      .text((name) => name)
      .on("click", (_, name) => sortBy(table.columns.indexOf(name)));
    const numeric = table.columns.map((_, i) =>
      table.rows.some((row) => typeof row[i] === "number"),
    );
    head.selectAll("th").classed("number", (_, i) => numeric[i] ?? false);
    body
      .selectAll("tr")
      .data(sorted(table.rows, order).slice(0, SHOWN_ROWS))
      .join("tr")
      .selectAll("td")
      .data((row) => row)
      .join("td")
      .classed("number", (_, i) => numeric[i] ?? false)
      .text(showCell);
  }

  return { render };
}

function captionOf(table: Table): string {
  const more = table.rows.length - SHOWN_ROWS;
  return more > 0
    ? `${table.caption} (first ${SHOWN_ROWS}; CSV holds ${more} more)`
    : table.caption;
}

function ariaSort(order: Order | null, column: number): string {
  if (order?.column !== column) return "none";
  return order.down ? "descending" : "ascending";
}

function sorted(rows: readonly Cell[][], order: Order | null): Cell[][] {
  if (!order) return [...rows];
  const compare = order.down ? descending : ascending;
  const key = (row: Cell[]) => row[order.column] ?? undefined;
  return [...rows].sort((a, b) => compare(key(a), key(b)));
}

function showCell(cell: Cell): string {
  if (cell === null) return "–";
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  if (typeof cell === "string") return cell;
  return Number.isInteger(cell) ? cell.toLocaleString("en") : showNumber(cell);
}
