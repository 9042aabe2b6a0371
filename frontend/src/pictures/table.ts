// The table twin of a picture: a real table, sortable by each column.

import { ascending, descending } from "d3-array";
import { select } from "d3-selection";
import { button, element as dom } from "./dom";
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

/** Rows of one page; the caption says which they are. */
const SHOWN_ROWS = 2000;

export function createTable(root: HTMLElement): TablePicture {
  let order: Order | null = null;
  let current: Table | null = null;
  let page = 0;
  const scroller = select(root)
    .append("div")
    .attr("class", "table-scroll")
    .attr("tabindex", 0)
    .attr("role", "region");
  const element = scroller.append("table");
  const caption = element.append("caption");
  const head = element.append("thead").append("tr");
  const body = element.append("tbody");
  const pager = createPager((by) => {
    page += by;
    if (current) render(current);
  });
  root.append(pager.node);

  function sortBy(column: number): void {
    order = { column, down: order?.column === column ? !order.down : true };
    page = 0;
    if (current) render(current);
  }

  function render(table: Table): void {
    current = table;
    scroller.attr("aria-label", table.caption);
    page = Math.min(page, Math.max(0, Math.ceil(table.rows.length / SHOWN_ROWS) - 1));
    const first = page * SHOWN_ROWS;
    caption.text(captionOf(table, first));
    pager.show(first, table.rows.length);
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
      .data(sorted(table.rows, order).slice(first, first + SHOWN_ROWS))
      .join("tr")
      .selectAll("td")
      .data((row) => row)
      .join("td")
      .classed("number", (_, i) => numeric[i] ?? false)
      .text(showCell);
  }

  return { render };
}

function captionOf({ caption, rows }: Table, first: number): string {
  if (rows.length <= SHOWN_ROWS) return caption;
  const last = Math.min(rows.length, first + SHOWN_ROWS);
  const [from, to, all] = [first + 1, last, rows.length].map((one) => one.toLocaleString("en"));
  return `${caption} (rows ${from} to ${to} of ${all})`;
}

/** Buttons to the pages of a long table; hidden for one page. */
function createPager(turn: (by: 1 | -1) => void) {
  const back = button("◀ previous rows", () => turn(-1), { class: "quiet" }) as HTMLButtonElement;
  const next = button("next rows ▶", () => turn(1), { class: "quiet" }) as HTMLButtonElement;
  const node = dom("div", { class: "table-pages" }, back, next);
  return {
    node,
    show(first: number, rows: number): void {
      node.hidden = rows <= SHOWN_ROWS;
      back.disabled = first === 0;
      next.disabled = first + SHOWN_ROWS >= rows;
    },
  };
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
