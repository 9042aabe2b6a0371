// What the rows add up to, as sentences and as a table.

import type { Finding, Row } from "../../../gen/information_flow";
import { element } from "../../../pictures/dom";
import { createFigure } from "../../../pictures/figure";
import { legible } from "../../../pictures/glyphs";
import { createTable, type Cell, type Table } from "../../../pictures/table";
import type { ViewContext } from "../../../view/view";
import { howOf, phraseOf, type Panel, type Shown } from "./shown";

export function createFindings(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Findings", "findings", context);
  const list = figure.body.appendChild(element("ul", { class: "findings" }));
  const table = createTable(figure.body);
  return {
    render(shown) {
      if (!shown.state.findings || !shown.state.prompt?.judge) return;
      const data = findingTable(shown);
      list.replaceChildren(...sentences(shown).map((text) => element("li", {}, text)));
      table.render(data);
      figure.update({ table: () => data, data: () => shown.state.findings, svg: null });
    },
    destroy: figure.destroy,
  };
}

interface Counted {
  row: Row;
  finding: Finding;
}

function countedRows({ state }: Shown): Counted[] {
  return (state.findings?.rows ?? []).flatMap((finding) => {
    const row = state.rows.find((one) => one.row === finding.row);
    return row ? [{ row, finding }] : [];
  });
}

export function findingTable(shown: Shown): Table {
  const items = shown.state.prompt?.items ?? [];
  return {
    caption: "Counts per row",
    columns: [
      "row",
      "kept",
      "pictures",
      ...items.map((_, n) => `shows ${phraseOf(shown, n)}`),
      "leaks",
      "representative",
    ],
    rows: countedRows(shown).map(({ row, finding }): Cell[] => [
      row.row,
      howOf(shown, row),
      finding.pictures,
      ...items.map((_, n) => finding.shown[n] ?? null),
      finding.leaks,
      finding.representative,
    ]),
  };
}

function sentences(shown: Shown): string[] {
  const counted = countedRows(shown);
  return [...leakSentences(shown, counted), ...tokenSentences(shown, counted)];
}

function leakSentences(shown: Shown, counted: Counted[]): string[] {
  const chosen = shown.state.prompt?.chosen ?? 0;
  const of = (kind: Row["shows"]) =>
    counted.find(({ row }) => row.shows === kind && (row.item ?? chosen) === chosen)?.finding;
  const [kept, alone, whole, fixed] = [of("item"), of("alone"), of("whole"), of("fixed")];
  const phrase = phraseOf(shown, chosen);
  const found: string[] = [];
  if (kept?.leaks != null && alone?.leaks != null) {
    found.push(
      `With only “${phrase}” kept, attributes leak in ${kept.leaks} of ${kept.pictures} pictures when it is ` +
        `encoded with the prompt, in ${alone.leaks} when it is encoded in isolation.`,
    );
  }
  if (whole?.leaks != null && fixed?.leaks != null) {
    found.push(
      `With the whole prompt, attributes leak in ${whole.leaks} of ${whole.pictures} pictures; ` +
        `with “${phrase}” encoded in isolation, in ${fixed.leaks}.`,
    );
  }
  return found;
}

function tokenSentences(shown: Shown, counted: Counted[]): string[] {
  const tokens = counted.filter(({ row }) => row.shows === "token");
  const known = tokens.filter(({ finding }) => finding.representative !== null);
  if (known.length === 0) return [];
  const good = known.filter(({ finding }) => finding.representative);
  const names = good.map(({ row }) => `“${legible(row.label)}”`).join(", ");
  const phrase = phraseOf(shown, shown.state.prompt?.chosen ?? 0);
  if (good.length === 0)
    return [`No single token of “${phrase}” produces it when only that token is kept.`];
  const rest = known.length - good.length;
  return [
    `Of “${phrase}”, ${names} ${good.length > 1 ? "each produce" : "produces"} it when only that token ` +
      `is kept; the other ${rest} of ${known.length} tokens do not.`,
  ];
}
