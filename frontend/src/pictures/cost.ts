// What a run took: the last event of a method, as a table without a picture.

import { get } from "svelte/store";
import { whenChanged, type Panel } from "../view/panel";
import { createFigure } from "./figure";
import { createTable, type Cell, type Table } from "./table";
import type { RunFacts, ViewContext } from "../view/view";

/** Sequences and forward passes, per stage. */
export interface Cost {
  rows: Record<string, number>;
  forwards: Record<string, number>;
}

export function costTable({ rows, forwards }: Cost): Table {
  const stages = [...new Set([...Object.keys(rows), ...Object.keys(forwards)])];
  return {
    caption: "Cost of the run",
    columns: ["stage", "rows", "forward passes"],
    rows: stages.map((stage): Cell[] => [stage, rows[stage] ?? 0, forwards[stage] ?? 0]),
  };
}

export function createCost(
  root: HTMLElement,
  context: ViewContext,
): Panel<{ state: { cost: Cost | null } }> {
  const figure = createFigure(root, "Cost", "cost", context);
  const table = createTable(figure.body);
  const note = (facts: RunFacts) => (figure.legend.textContent = noteOf(facts));
  const stop = context.run.subscribe(note); // the seconds are known last
  return {
    render: whenChanged(
      ({ state }) => [state.cost],
      ({ state: { cost } }) => {
        if (!cost) return figure.hide();
        const data = costTable(cost);
        figure.update({ table: () => data, data: () => data, svg: null });
        table.render(data);
        note(get(context.run));
      },
    ),
    destroy() {
      stop();
      figure.destroy();
    },
  };
}

function noteOf({ seconds, cached }: RunFacts): string {
  if (cached) return "Result of an identical earlier run.";
  return seconds === null ? "" : `${seconds.toFixed(2)} s in total, including loading.`;
}
