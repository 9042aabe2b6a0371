// Rows of pictures with what is kept in each: one seed per column, so that a column is one noise.

import { plainKey } from "../../../view/keys";
import { select, type Selection as Joined } from "d3-selection";
import { get } from "svelte/store";
import type { Drawn, Row } from "../../../gen/information_flow";
import { createFigure } from "../../../pictures/figure";
import { element } from "../../../pictures/dom";
import type { ViewContext } from "../../../view/view";
import { gridSource } from "./export";
import { keptTokens } from "./kept";
import {
  badgesOf,
  howOf,
  pictureAt,
  pictureItem,
  placeOf,
  sentence,
  tally,
  type Panel,
  type Shown,
} from "./shown";

export interface GridWords {
  title: string;
  stem: string;
  rows(shown: Shown): Row[];
  note(shown: Shown): string;
}

export function createGrid(root: HTMLElement, context: ViewContext, words: GridWords): Panel {
  const figure = createFigure(root, words.title, words.stem, context);
  const list = figure.body.appendChild(element("div", { class: "grid-rows" }));
  let shown: Shown | null = null;
  listen(list, context, () => shown);

  function render(now: Shown): void {
    shown = now;
    const rows = words.rows(now);
    if (rows.length === 0) return;
    renderRows(select(list), rows, now);
    figure.legend.textContent = `${words.note(now)} ${judgeNote(now)}`;
    figure.update(gridSource(words.title, rows, now, context));
    mark();
  }

  function mark(): void {
    if (!shown) return;
    const { hover, primary } = get(context.selection);
    const [hovered, chosen] = [placeOf(shown, hover), placeOf(shown, primary)];
    const cells = [...list.querySelectorAll<HTMLElement>(".picture-tile")];
    for (const cell of cells) {
      cell.classList.toggle("is-hover", isAt(cell, hovered));
      cell.setAttribute("aria-pressed", String(isAt(cell, chosen)));
    }
    keepOneTabStop(cells);
  }

  return { render, mark, destroy: figure.destroy };
}

const isAt = (cell: HTMLElement, place: { row: number; column: number } | null) =>
  place !== null &&
  cell.dataset.row === String(place.row) &&
  cell.dataset.column === String(place.column);

/** The chosen picture can be tabbed to; without one, the first. */
function keepOneTabStop(cells: HTMLElement[]): void {
  const stop = cells.find((cell) => cell.getAttribute("aria-pressed") === "true") ?? cells[0];
  for (const cell of cells) cell.tabIndex = cell === stop ? 0 : -1;
}

interface CellData {
  row: Row;
  column: number;
  picture: Drawn | null;
}

/** Most pictures that fit next to the row's label. */
const BESIDE = 4;

type Holder = Joined<HTMLElement, unknown, null, undefined>;

function renderRows(holder: Holder, rows: Row[], shown: Shown): void {
  const groups = holder
    .selectAll<HTMLElement, Row>(".grid-row")
    .data(rows, (row) => row.row)
    .join((enter) => enter.append("section").attr("class", "grid-row").each(enterRow));
  groups.classed("stacked", shown.columns > BESIDE);
  groups.each(function (row) {
    const node = select(this);
    node.select("h3").text(howOf(shown, row));
    node.select(".tally").text(tally(shown, row));
    keptTokens(this.querySelector(".kept") as HTMLElement, shown, row);
  });
  const cells = groups
    .select<HTMLElement>(".pictures")
    .selectAll<HTMLElement, CellData>(".picture-tile")
    .data((row) => cellsOf(shown, row))
    .join((enter) => enter.append("button").attr("type", "button").each(enterCell));
  cells
    .attr("class", ({ picture }) => `picture-tile${picture ? "" : " waiting"}`)
    .attr("data-row", ({ row }) => row.row)
    .attr("data-column", ({ column }) => column)
    .attr("aria-label", (cell) => labelOf(shown, cell))
    .each(function (cell) {
      renderCell(this, cell, shown);
    });
}

function enterRow(this: HTMLElement): void {
  const row = select(this);
  const head = row.append("div").attr("class", "grid-head");
  head.append("h3");
  head.append("p").attr("class", "kept");
  head.append("p").attr("class", "tally muted");
  row.append("div").attr("class", "pictures");
}

function enterCell(this: HTMLElement): void {
  const cell = select(this);
  cell.append("img").attr("alt", "");
  cell.append("span").attr("class", "badges");
}

const cellsOf = (shown: Shown, row: Row): CellData[] =>
  Array.from({ length: shown.columns }, (_, column) => ({
    row,
    column,
    picture: pictureAt(shown, row.row, column),
  }));

const labelOf = (shown: Shown, { row, column, picture }: CellData) =>
  picture
    ? sentence(shown, row, picture)
    : `${howOf(shown, row)}, seed ${shown.seed + column}: not drawn yet`;

function renderCell(node: HTMLElement, { row, picture }: CellData, shown: Shown): void {
  const address = picture && shown.address(picture);
  const image = node.querySelector("img") as HTMLImageElement;
  image.hidden = address === null;
  if (address !== null && image.getAttribute("src") !== address) image.src = address;
  const badges = picture?.verdict ? badgesOf(row, picture.verdict) : [];
  select(node)
    .select(".badges")
    .selectAll("span")
    .data(badges)
    .join("span")
    .attr("class", (badge) => `badge ${badge.kind}`)
    .text((badge) => badge.text);
}

function judgeNote({ state: { prompt } }: Shown): string {
  const judge = prompt?.judge;
  if (!judge) return "There is no classifier for this model's pictures; compare them by eye.";
  const known =
    judge.accuracy === null
      ? "accuracy unknown"
      : `accuracy ${(100 * judge.accuracy).toFixed(1)} % on ${judge.pictures ?? 0} labelled pictures`;
  return `Badges: ${judge.name}, ${known}. Each column: one seed.`;
}

function listen(list: HTMLElement, context: ViewContext, latest: () => Shown | null): void {
  const cellOf = (event: Event) => (event.target as Element).closest<HTMLElement>(".picture-tile");
  const itemOf = (cell: HTMLElement, shown: Shown) =>
    pictureItem(shown, Number(cell.dataset.row), Number(cell.dataset.column));
  list.addEventListener("pointerover", (event) => {
    const [cell, shown] = [cellOf(event), latest()];
    context.selection.hover(cell && shown ? itemOf(cell, shown) : null);
  });
  list.addEventListener("pointerleave", () => context.selection.hover(null));
  list.addEventListener("click", (event) => {
    const [cell, shown] = [cellOf(event), latest()];
    if (cell && shown) context.selection.choose(itemOf(cell, shown));
  });
  list.addEventListener("keydown", (event) => {
    const [cell, shown] = [cellOf(event), latest()];
    const next = cell && neighbour(list, cell, event);
    if (!next || !shown) return;
    event.preventDefault();
    context.selection.choose(itemOf(next, shown));
    next.focus();
  });
}

/** Left and right along the row; up and down keep the seed. */
function neighbour(list: HTMLElement, from: HTMLElement, event: KeyboardEvent) {
  const rows = [...list.querySelectorAll<HTMLElement>(".pictures")];
  const cells = (row: HTMLElement | undefined) => [...(row?.children ?? [])] as HTMLElement[];
  const row = rows.findIndex((one) => one.contains(from));
  const column = cells(rows[row]).indexOf(from);
  const moves: Record<string, HTMLElement | undefined> = {
    ArrowLeft: cells(rows[row])[column - 1],
    ArrowRight: cells(rows[row])[column + 1],
    ArrowUp: cells(rows[row - 1])[column],
    ArrowDown: cells(rows[row + 1])[column],
  };
  return moves[plainKey(event) ?? ""] ?? null;
}
