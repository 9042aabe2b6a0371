// Information flow: what each part of a prompt carries, as rows of pictures with verdicts.

import "../styles/figure.css";
import "../styles/detail.css";
import "../styles/pictures.css";
import type { MethodEvent, Row } from "../gen/information_flow";
import { createShelf } from "../shelf";
import type { CreateView } from "../view";
import { createDetail } from "./information_flow/detail";
import { createFindings } from "./information_flow/findings";
import { createGrid, type GridWords } from "./information_flow/grid";
import { phraseOf, readShown, type Panel, type Shown } from "./information_flow/shown";
import { applied, EMPTY, type State } from "./information_flow/state";

const ofKind =
  (...kinds: Row["shows"][]) =>
  ({ state }: Shown) =>
    state.rows.filter((row) => kinds.includes(row.shows));

/** The chosen item with and without the rest, then the whole prompt before and after the fix. */
function leakRows(shown: Shown): Row[] {
  const rows = ofKind("item", "alone", "whole", "fixed")(shown);
  if (!rows.some((row) => row.shows === "alone")) return [];
  const chosen = shown.state.prompt?.chosen;
  const order: Row["shows"][] = ["item", "alone", "whole", "fixed"];
  return rows
    .filter((row) => row.shows !== "item" || row.item === chosen)
    .sort((a, b) => order.indexOf(a.shows) - order.indexOf(b.shows));
}

const GRIDS: GridWords[] = [
  {
    title: "Prompt and items",
    stem: "items",
    rows: ofKind("whole", "item"),
    note: () => "Tokens in frames are kept; all other positions are those of the empty prompt.",
  },
  {
    title: "Leak and fix",
    stem: "leak",
    rows: leakRows,
    note: (shown) =>
      `A leak: “${phraseOf(shown, shown.state.prompt?.chosen ?? 0)}” brings another item, or its ` +
      "colour, along. The fix puts its states, encoded by itself, into the whole prompt.",
  },
  {
    title: "Token by token",
    stem: "tokens",
    rows: ofKind("token"),
    note: (shown) =>
      `Each token of “${phraseOf(shown, shown.state.prompt?.chosen ?? 0)}” kept alone: one that ` +
      "shows the item represents it.",
  },
];

export const create: CreateView<MethodEvent> = (root, context) => {
  let state: State = EMPTY;
  let waiting = false;
  let marking = false;
  let alive = true;
  const shelf = createShelf(changed, (error) => context.announce(error.message));
  const panels: Panel[] = [
    ...GRIDS.map((words) => createGrid(root, context, words)),
    createFindings(root, context),
    createDetail(context.detail, context),
  ];

  /** Renders once per frame, however many events arrived since the last one. */
  function changed(): void {
    if (waiting) return;
    waiting = true;
    context.frame(() => {
      waiting = false;
      const now = readShown(state, context, shelf);
      if (alive) for (const panel of panels) panel.render(now);
    });
  }

  function marked(): void {
    if (marking) return;
    marking = true;
    context.frame(() => {
      marking = false;
      if (alive) for (const panel of panels) panel.mark?.();
    });
  }

  const press = (event: KeyboardEvent) => {
    if (event.key === "Escape" && !event.defaultPrevented) context.selection.clear();
  };
  root.ownerDocument.addEventListener("keydown", press);
  const stops = [
    context.theme.subscribe(changed),
    context.run.subscribe(changed),
    context.selection.subscribe(marked),
    () => root.ownerDocument.removeEventListener("keydown", press),
  ];

  return {
    update(event) {
      const before = state;
      state = applied(state, event);
      if (state !== before) changed();
    },
    destroy() {
      alive = false;
      for (const stop of stops) stop();
      for (const panel of panels) panel.destroy();
    },
  };
};
