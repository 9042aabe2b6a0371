// The edges to cut as a list: layers and heads of each, undo, and the run that cuts them.

import { counted } from "../../../base/plural";
import { select } from "d3-selection";
import { button, element, quotedToken } from "../../../pictures/dom";
import { createFigure, type FigureSource } from "../../../pictures/figure";
import { quoted, visible } from "../../../pictures/glyphs";
import type { Cell } from "../../../pictures/table";
import type { ViewContext } from "../../../view/view";
import { toggleEdges } from "./choose";
import { encode, equalEdges, numbersText, readSome, type Edge } from "./edges";
import type { Edits } from "./edits";
import { effectOf, groupsOf, headsOf, layersOf, type Panel, type Shown } from "./shown";
import type { State } from "./state";

export function createEditor(root: HTMLElement, context: ViewContext, edits: Edits): Panel {
  const figure = createFigure(root, "Cuts", "edges", context);
  const status = figure.body.appendChild(element("p", { class: "edge-status", role: "status" }));
  const list = figure.body.appendChild(element("ol", { class: "edge-list" }));
  let shown: Shown | null = null;
  const run = createRunButton(context, edits);
  const strongest = button("Add the largest effect", () => shown && addStrongest(shown), {
    title: "Add the edge whose cut lowers log p of the answer most",
  });
  const undo = button("Undo", () => edits.undo(), { title: "Ctrl+Z" });
  const redo = button("Redo", () => edits.redo(), { title: "Ctrl+Shift+Z" });
  const clear = button("Clear", () => edits.clear());
  const actions = element("div", { class: "edge-actions" }, run.node, strongest, undo, redo, clear);
  figure.body.append(actions);

  function addStrongest({ state, edges }: Shown): void {
    const best = strongestSource(state, edges);
    if (best !== null) toggleEdges(context, edits, state, groupsOf(state).length - 1, [best]);
  }

  function render(now: Shown): void {
    shown = now;
    const { state, edges } = now;
    if (!state.groups) return figure.hide();
    const untouched = equalEdges(edges, edits.ran());
    status.textContent = statusText(edges, untouched);
    renderRows(list, now);
    run.render();
    strongest.toggleAttribute("disabled", strongestSource(state, edges) === null);
    undo.toggleAttribute("disabled", !edits.canUndo());
    redo.toggleAttribute("disabled", !edits.canRedo());
    clear.toggleAttribute("disabled", edges.length === 0);
    figure.update(sourceOf(state, edges));
  }

  function renderRows(holder: HTMLElement, { state, edges }: Shown): void {
    const rows = select(holder)
      .selectAll<HTMLElement, Edge>("li")
      .data(edges, (edge) => encode([{ ...edge, layers: null, heads: null }]))
      .join((enter) => enter.append("li").each(enterRow))
      .order();
    rows.each(function (edge) {
      fillRow(this, edge, state);
    });
  }

  function enterRow(this: HTMLElement): void {
    this.append(
      element("span", { class: "edge-name" }),
      field("Layers", (edge, layers) => ({ ...edge, layers }), layersOf),
      field("Heads", (edge, heads) => ({ ...edge, heads }), headsOf),
      button("Remove", () => edits.toggle([select<HTMLElement, Edge>(this).datum()])),
    );
  }

  /** Numbers such as "0-2, 4"; what cannot be read stays, marked, and changes nothing. */
  function field(
    name: "Layers" | "Heads",
    changed: (edge: Edge, numbers: number[] | null) => Edge,
    count: (context: ViewContext) => number,
  ): HTMLElement {
    const input = element("input", { type: "text", placeholder: "all", spellcheck: "false" });
    const problem = element("span", { class: "error", role: "alert" });
    input.addEventListener("change", () => {
      const most = count(context);
      const numbers = readSome((input as HTMLInputElement).value, most);
      input.setAttribute("aria-invalid", String(numbers === undefined));
      problem.textContent =
        numbers === undefined ? `0 to ${most - 1}, such as 0-2, 4; empty: all` : "";
      if (numbers === undefined) return;
      const row = input.closest("li") as HTMLElement;
      edits.change(changed(select<HTMLElement, Edge>(row).datum(), numbers));
    });
    return element("label", {}, element("span", {}, name), input, problem);
  }

  return { render, destroy: figure.destroy };
}

/** Starts the run that cuts what is chosen; there when that is not what this run cut. */
export function createRunButton(context: ViewContext, edits: Edits) {
  const node = button("Run with these cuts", () => context.rerun?.({ edges: edits.now() }), {
    class: "primary",
    title: "Start a new run with these edges cut",
  });
  return {
    node,
    render(): void {
      node.hidden = !context.rerun || equalEdges(edits.now(), edits.ran());
      node.textContent = edits.now().length ? "Run with these cuts" : "Run without cuts";
    },
  };
}

function fillRow(row: HTMLElement, edge: Edge, state: State): void {
  const [source, reader] = [textAt(state, edge.keys), textAt(state, edge.queries)];
  const name = row.querySelector(".edge-name") as HTMLElement;
  name.replaceChildren(quotedToken(source), " → ", quotedToken(reader));
  name.title = `positions ${numbersText(edge.keys)} → ${numbersText(edge.queries)}`;
  const values = [edge.layers, edge.heads].map((numbers) => (numbers ? numbersText(numbers) : ""));
  const said = `of ${quoted(source)} to ${quoted(reader)}`;
  row.querySelectorAll("input").forEach((input, at) => {
    input.setAttribute("aria-label", `${at ? "Heads" : "Layers"} ${said}; empty: all`);
    if (input.getAttribute("aria-invalid") !== "true") input.value = values[at] ?? "";
  });
  row.querySelector("button")?.setAttribute("aria-label", `Remove ${said.slice(3)}`);
}

const textAt = (state: State, positions: readonly number[]) =>
  positions.map((position) => state.tokens[position]?.text ?? "").join("");

function statusText(edges: readonly Edge[], untouched: boolean): string {
  if (edges.length === 0) {
    return untouched
      ? "No cuts yet. Click a cell of the matrix, or select a token and press x."
      : "All cuts removed; this run has some.";
  }
  const count = counted(edges.length, "cut");
  return untouched ? `${count}, as in this run.` : `${count}, not run yet.`;
}

/** The source without which the answer loses most, of those whose edge is not chosen yet. */
function strongestSource(state: State, edges: readonly Edge[]): number | null {
  const groups = groupsOf(state);
  const reader = groups.length - 1;
  const chosen = new Set(
    edges.flatMap(({ queries, keys }) =>
      queries[0] === groups[reader]?.start && keys[0] !== undefined ? [keys[0]] : [],
    ),
  );
  let best: number | null = null;
  groups.slice(0, -1).forEach(({ start }, source) => {
    const effect = effectOf(state, "answer", reader, source);
    const least = best === null ? 0 : (effectOf(state, "answer", reader, best) ?? 0);
    if (effect !== null && effect < least && !chosen.has(start)) best = source;
  });
  return best;
}

function sourceOf(state: State, edges: readonly Edge[]): FigureSource {
  return {
    table: () => ({
      caption: "Cuts",
      columns: ["source", "source positions", "reader", "reader positions", "layers", "heads"],
      rows: edges.map(({ queries, keys, layers, heads }): Cell[] => [
        visible(textAt(state, keys)),
        numbersText(keys),
        visible(textAt(state, queries)),
        numbersText(queries),
        layers ? numbersText(layers) : "all",
        heads ? numbersText(heads) : "all",
      ]),
    }),
    data: () => edges,
    svg: null,
  };
}
