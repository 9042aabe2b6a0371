// What each part of a prompt carries into the picture, as rows of pictures with verdicts.

import { viewKey } from "../../../view/keys";
import type { MethodEvent, Row } from "../../../gen/information_flow";
import { foldEvents } from "../../../view/fold";
import { drawPanels } from "../../../view/panel";
import { createResourceCache } from "../../../view/resourceCache";
import type { CreateView } from "../../../view/view";
import { createDetail } from "./detail";
import { createEncoderFlow } from "./encoderFlow";
import { createFindings } from "./findings";
import { createGrid, type GridWords } from "./grid";
import { phraseOf, placeOf, readShown, type Panel, type Shown } from "./shown";
import { changeOf, EMPTY } from "./state";

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

/** The whole prompt before and after. */
function removedRows(shown: Shown): Row[] {
  const rows = ofKind("whole", "removed")(shown);
  return rows.some((row) => row.shows === "removed") ? rows : [];
}

const GRIDS: GridWords[] = [
  {
    title: "Prompt and items",
    stem: "items",
    rows: ofKind("whole", "item"),
    note: () =>
      "Framed tokens are kept; all other positions are replaced by those of the empty prompt.",
  },
  {
    title: "Attribute leakage",
    stem: "leak",
    rows: leakRows,
    note: (shown) =>
      `Leakage: “${phraseOf(shown, shown.state.prompt?.chosen ?? 0)}” also produces another item or its ` +
      "colour. The fix inserts its states, encoded in isolation, into the whole prompt.",
  },
  {
    title: "Each token alone",
    stem: "tokens",
    rows: ofKind("token"),
    note: (shown) =>
      `Only this token of “${phraseOf(shown, shown.state.prompt?.chosen ?? 0)}” kept; a token that ` +
      "produces the item represents it.",
  },
  {
    title: "Without unrepresentative tokens",
    stem: "removed",
    rows: removedRows,
    note: (shown) =>
      `The whole prompt without the tokens of “${phraseOf(shown, shown.state.prompt?.chosen ?? 0)}” that ` +
      "do not produce it alone.",
  },
  {
    title: "Layer by layer",
    stem: "layers",
    rows: ofKind("layer"),
    note: () => "The prompt encoded by the text encoder up to and including that layer.",
  },
];

export const createImages: CreateView<MethodEvent> = (root, context) => {
  const events = foldEvents(EMPTY, changeOf, context, () => drawing.changed());
  const resources = createResourceCache(
    () => drawing.changed(),
    (error) => context.announce(error.message),
  );
  const panels: Panel[] = [
    ...GRIDS.map((words) => createGrid(root, context, words)),
    createEncoderFlow(root, context, resources),
    createFindings(root, context),
    createDetail(context.detail, context),
  ];
  const shown = () => readShown(events.now(), context, resources);
  const drawing = drawPanels(panels, context, shown);
  context.places?.set((item) => {
    const place = placeOf(shown(), item);
    return place && { type: "cell", ...place };
  });
  const press = (event: KeyboardEvent) => {
    if (viewKey(event) === "Escape") context.selection.clear();
  };
  const stops = [context.run.subscribe(() => drawing.changed()), context.keys(press)];

  return {
    update: events.update,
    destroy() {
      events.stop();
      for (const stop of stops) stop();
      drawing.destroy();
    },
  };
};
