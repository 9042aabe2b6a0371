// A grid leaving the page: a sheet with the PNGs in it, a table of verdicts, the data.

import { get } from "svelte/store";
import type { Row } from "../../../gen/information_flow";
import type { FigureSource } from "../../../pictures/figure";
import type { Group } from "../../../pictures/layer";
import { createSheet, mutedOf, ruleOf } from "../../../pictures/sheet";
import type { Cell, Table } from "../../../pictures/table";
import { drawStrip } from "../../../pictures/tokenStripSvg";
import type { ViewContext } from "../../../view/view";
import { keptSection } from "./kept";
import { badgesOf, howOf, phraseOf, pictureAt, tally, type Shown } from "./shown";

export function gridSource(
  title: string,
  rows: Row[],
  shown: Shown,
  context: ViewContext,
): FigureSource {
  return {
    table: () => verdictTable(title, rows, shown),
    data: () => ({
      prompt: shown.state.prompt,
      rows: rows.map((row) => ({
        ...row,
        pictures: picturesOf(shown, row).map(({ column, seed, picture, verdict }) => ({
          column,
          seed,
          sha256: picture.sha256,
          verdict,
        })),
      })),
    }),
    svg: () => drawGrid(title, rows, shown, context),
  };
}

const picturesOf = (shown: Shown, row: Row) =>
  Array.from({ length: shown.columns }, (_, column) => pictureAt(shown, row.row, column)).filter(
    (picture) => picture !== null,
  );

export function verdictTable(title: string, rows: Row[], shown: Shown): Table {
  const items = shown.state.prompt?.items ?? [];
  const columns = ["row", "kept", "seed", "detected", ...items.map((_, n) => phraseOf(shown, n))];
  return {
    caption: `${title}: the judge's verdict on each picture`,
    columns: [...columns, "leak"],
    rows: rows.flatMap((row) =>
      picturesOf(shown, row).map(({ seed, verdict }): Cell[] => [
        row.row,
        howOf(shown, row),
        seed,
        verdict ? verdict.seen.join(", ") || "nothing" : null,
        ...items.map((_, n) => verdict?.shown[n] ?? null),
        verdict?.leak ?? null,
      ]),
    ),
  };
}

const SHEET = { cell: 76, gap: 8, head: 300 };

function drawGrid(title: string, rows: Row[], shown: Shown, context: ViewContext): SVGSVGElement {
  const sheet = createSheet(`Information flow: ${title}`, shown.theme, get(context.run));
  const body = sheet.body as Group;
  let top = 0;
  for (const row of rows) {
    const group = body.append("g").attr("transform", `translate(0,${top})`) as Group;
    const strip = drawStrip(group, [keptSection(shown, row)], SHEET.head - 16, shown.theme);
    group
      .append("text")
      .attr("y", strip.height + 4)
      .attr("font-size", 10.5)
      .attr("fill", mutedOf(shown.theme))
      .text(tally(shown, row));
    drawPictures(group, row, shown);
    top += Math.max(strip.height + 16, SHEET.cell + 26);
  }
  return sheet.finish(SHEET.head + shown.columns * (SHEET.cell + SHEET.gap), top);
}

function drawPictures(group: Group, row: Row, shown: Shown): void {
  for (const picture of picturesOf(shown, row)) {
    const x = SHEET.head + picture.column * (SHEET.cell + SHEET.gap);
    const cell = group.append("g").attr("transform", `translate(${x},0)`);
    cell
      .append("image")
      .attr("width", SHEET.cell)
      .attr("height", SHEET.cell)
      .attr("image-rendering", "pixelated")
      .attr("href", shown.address(picture));
    cell
      .append("rect")
      .attr("width", SHEET.cell)
      .attr("height", SHEET.cell)
      .attr("fill", "none")
      .attr("stroke", ruleOf(shown.theme));
    const badges = picture.verdict ? badgesOf(row, picture.verdict) : [];
    cell
      .append("text")
      .attr("y", SHEET.cell + 12)
      .attr("font-size", 10)
      .text(badges.map((badge) => badge.text).join(", "));
  }
}
