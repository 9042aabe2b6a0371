// The frame around each picture: title, tools, body, legend, table twin, provenance.

import { select } from "d3-selection";
import type { RunFacts, ViewContext } from "../view/view";
import { download, toCsv, toJson, toPng, toSvg } from "./export";
import { createFullScreen } from "./fullScreen";
import { legible } from "./glyphs";
import { checkWarning, provenance } from "./provenance";
import { toPython } from "./python";
import { createTable, type Table, type TablePicture } from "./table";

/** What a picture can be taken away as; asked for only when it is wanted. */
export interface FigureSource {
  table(): Table;
  data(): unknown;
  /** null: nothing is drawn but the table. */
  svg: (() => SVGSVGElement) | null;
}

export interface Figure {
  /** Controls of the picture, next to the title. */
  controls: HTMLElement;
  body: HTMLElement;
  legend: HTMLElement;
  update(source: FigureSource): void;
  /** Until the next update: there is nothing to draw. */
  hide(): void;
  destroy(): void;
}

const sources = new WeakMap<Element, FigureSource>();

/** What a figure element of the page shows; null: nothing yet. */
export const sourceOf = (figure: Element) => sources.get(figure) ?? null;

type Context = Pick<ViewContext, "run" | "state" | "announce" | "prefix" | "detail">;

const TABLES = "tables";
const CORNERS = "M1 4V1h3M8 1h3v3M11 8v3H8M4 11H1V8";

/** `stem` names the figure in files and in the address. */
export function createFigure(
  root: HTMLElement,
  title: string,
  stem: string,
  context: Context,
): Figure {
  let source: FigureSource | null = null;
  let facts: RunFacts | null = null;
  let table: TablePicture | null = null;

  const figure = select(root).append("figure").attr("class", "figure").attr("hidden", "");
  const id = `${context.prefix}figure-${stem}`;
  figure.attr("aria-labelledby", id).attr("data-figure", stem);
  const head = figure.append("div").attr("class", "figure-head");
  head.append("h2").attr("id", id).text(title);
  const controls = head.append("div").attr("class", "figure-controls");
  const tools = head.append("div").attr("class", "figure-tools");
  tools.attr("role", "toolbar").attr("aria-label", `${title}: table and export`);
  const body = figure.append("div").attr("class", "figure-body");
  const twin = figure.append("div").attr("class", "figure-table").attr("hidden", "");
  const legend = figure.append("div").attr("class", "legend");
  const warning = figure.append("p").attr("class", "check-failed").attr("hidden", "");
  const line = figure.append("figcaption").attr("class", "provenance");

  const named = (kind: string) => `${facts?.method ?? "figure"}-${stem}.${kind}`;
  const button = (text: string, hint: string, press: () => void) =>
    tools.append("button").attr("type", "button").attr("title", hint).text(text).on("click", press);

  const tableButton = button("Table", "The same numbers as a table", toggleTable);
  button("CSV", "Download the table as CSV", () => {
    if (source) download(named("csv"), toCsv(source.table()), "text/csv");
  });
  button("JSON", "Download the data as JSON", () => {
    if (source) download(named("json"), toJson(source.data()), "application/json");
  });
  const svgButton = button("SVG", "Download the picture as SVG", () => {
    if (source?.svg) download(named("svg"), toSvg(source.svg()), "image/svg+xml");
  });
  const pngButton = button("PNG", "Download the picture as PNG", () => void savePng());
  const pythonButton = button("Python", "Copy the Python call that computes these numbers", copy);
  const full = createFullScreen(figure.node() as HTMLElement, context.detail);
  button("", "Full screen", full.toggle)
    .attr("aria-label", "Full screen")
    .append("svg")
    .attr("viewBox", "0 0 12 12")
    .attr("class", "icon")
    .attr("aria-hidden", "true")
    .append("path")
    .attr("d", CORNERS);

  const unsubscribe = context.run.subscribe((now) => {
    facts = now;
    pythonButton.attr("hidden", now.id ? null : ""); // a file may be of a prompt we cannot quote
    line.text(legible(provenance(now)));
    const failed = checkWarning(now);
    warning.attr("hidden", failed ? null : "").text(legible(failed));
  });

  function copy(): void {
    if (!facts) return;
    const said = (text: string) => {
      pythonButton.text(text);
      context.announce(text === "Copied" ? "Copied as Python" : text);
      setTimeout(() => pythonButton.text("Python"), 1500);
    };
    void navigator.clipboard.writeText(toPython(facts)).then(
      () => said("Copied"),
      () => said("Clipboard unavailable"),
    );
  }

  async function savePng(): Promise<void> {
    if (source?.svg) download(named("png"), await toPng(source.svg()));
  }

  const shown = () => (context.state.get(TABLES) ?? "").split(",").includes(stem);

  function toggleTable(): void {
    const others = (context.state.get(TABLES) ?? "").split(",").filter((s) => s && s !== stem);
    const next = shown() ? others : [...others, stem];
    context.state.set(TABLES, next.length ? next.join(",") : null);
    renderTable();
  }

  function renderTable(): void {
    tableButton.attr("aria-pressed", String(shown()));
    twin.attr("hidden", shown() ? null : "");
    if (!shown() || !source) return;
    table ??= createTable(twin.node() as HTMLElement);
    table.render(source.table());
  }

  const stopState = context.state.subscribe(renderTable);
  renderTable();

  return {
    controls: controls.node() as HTMLElement,
    body: body.node() as HTMLElement,
    legend: legend.node() as HTMLElement,
    update(next) {
      source = next;
      sources.set(figure.node() as HTMLElement, next);
      figure.attr("hidden", null);
      for (const drawn of [tableButton, svgButton, pngButton])
        drawn.attr("hidden", next.svg ? null : "");
      renderTable();
    },
    hide: () => void figure.attr("hidden", ""),
    destroy() {
      unsubscribe();
      stopState();
      full.stop();
      figure.remove();
    },
  };
}
