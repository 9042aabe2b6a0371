// The trials of a branch point, one line each, in the order of any number.

import { ascending, descending } from "d3-array";
import type { Fork, Trial } from "../../gen/cntp";
import { button, element, tokenText } from "../../pictures/dom";
import { showNumber } from "../../pictures/numbers";
import { fromOne } from "../../pictures/ordinal";
import type { Theme } from "../../base/theme";
import type { ViewContext } from "../../view/view";
import { branchButton } from "../decoding/take";
import type { Fan, Trace } from "../decoding/traces";

/** A branch point that is decided, of the trace that is drawn. */
export interface Opened {
  trace: Trace;
  branchPoint: Fork;
  fan: Fan;
  position: number;
  theme: Theme;
  selected: number | null;
}

export const scoreOf = (branchPoint: Fork, trial: Trial) =>
  branchPoint.by === "perplexity_raw" ? trial.perplexity_raw : trial.perplexity;

export const ENDS: Record<Trial["end"], string> = {
  stop: "clause ended",
  eos: "end of text",
  stop_string: "stop string",
  cap: "trial length limit",
  length: "output full",
  pruned: "could no longer win",
};

interface Column {
  name: string;
  /** What its lines are ordered by; absent: nothing. */
  key?: (branchPoint: Fork, number: number) => number;
}

const trialOf = (branchPoint: Fork, number: number) => branchPoint.trials[number] as Trial;
const COLUMNS: Column[] = [
  { name: "#", key: (_, number) => number },
  { name: "Text" },
  { name: "Answer" },
  { name: "Tokens", key: (branchPoint, number) => trialOf(branchPoint, number).length },
  {
    name: "Perplexity",
    key: (branchPoint, number) => scoreOf(branchPoint, trialOf(branchPoint, number)),
  },
  { name: "Ended by" },
  { name: "" },
];

interface Order {
  column: string;
  down: boolean;
}

export function createTrialTable(root: HTMLElement, context: ViewContext) {
  let order: Order = { column: "#", down: false };
  return { render };

  function render(opened: Opened): void {
    const { branchPoint } = opened;
    const answers = branchPoint.trials.some((trial) => trial.answer !== null);
    const columns = COLUMNS.filter(({ name }) => answers || name !== "Answer");
    const heads = columns.map((column) => headOf(column, opened));
    const rows = ordered(branchPoint, order).map((number) =>
      trialRow(opened, number, answers, context),
    );
    const head = element("thead", {}, element("tr", {}, ...heads));
    const table = element("table", { class: "trials" }, head, element("tbody", {}, ...rows));
    const region = { class: "scroll", tabindex: "0", role: "region", "aria-label": "Trials" };
    root.replaceChildren(element("div", region, table));
  }

  function headOf({ name, key }: Column, opened: Opened): HTMLElement {
    if (!name) return element("th", { scope: "col" }, spokenOnly("Action"));
    if (!key) return element("th", { scope: "col" }, name);
    const here = order.column === name;
    const sign = here ? (order.down ? " ▾" : " ▴") : "";
    const press = () => {
      order = { column: name, down: here && !order.down };
      render(opened);
      root.querySelector<HTMLElement>(`[data-column="${name}"]`)?.focus();
    };
    const sort = button(`${name}${sign}`, press, { "data-column": name, title: `Sort by ${name}` });
    const kind = name === "#" ? "" : "number";
    const sorted = here ? (order.down ? "descending" : "ascending") : "none";
    return element("th", { scope: "col", class: kind, "aria-sort": sorted }, sort);
  }
}

function ordered(branchPoint: Fork, { column, down }: Order): number[] {
  const key = COLUMNS.find(({ name }) => name === column)?.key;
  const numbers = branchPoint.trials.map((_, number) => number);
  const compare = down ? descending : ascending;
  return key ? numbers.sort((a, b) => compare(key(branchPoint, a), key(branchPoint, b))) : numbers;
}

const spokenOnly = (text: string) => element("span", { class: "visually-hidden" }, text);

function trialRow(
  opened: Opened,
  number: number,
  answers: boolean,
  context: ViewContext,
): HTMLElement {
  const { branchPoint, fan, selected } = opened;
  const trial = branchPoint.trials[number] as Trial;
  const text = fan.paths[number]?.texts.join("") ?? "";
  const marks = marksOf(branchPoint, number);
  const name = element("th", { scope: "row", class: "number" }, `${fromOne(number)}${marks}`);
  const words = element("td", { class: "trial-text" }, tokenText(text));
  const cell = (content: string) => element("td", { class: "number" }, content);
  const row = element(
    "tr",
    { class: rowClass(number === branchPoint.winner, number === selected) },
    name,
    words,
    answers && element("td", {}, trial.answer ?? "–"),
    cell(String(trial.length)),
    cell(showNumber(scoreOf(branchPoint, trial))),
    element("td", {}, duplicateOf(trial) || ENDS[trial.end]),
    element("td", {}, actionOf(opened, number, context)),
  );
  row.addEventListener("click", () => context.state.set("trial", String(number)));
  return row;
}

const rowClass = (won: boolean, selected: boolean) =>
  [won && "winner", selected && "selected"].filter(Boolean).join(" ");

const duplicateOf = ({ duplicate_of }: Trial) =>
  duplicate_of === null ? "" : `same as ${fromOne(duplicate_of)}`;

function marksOf(branchPoint: Fork, number: number): string {
  const greedy = branchPoint.trials[number]?.greedy ? " ◇" : "";
  return number === branchPoint.winner ? ` ★${greedy}` : greedy;
}

function actionOf(opened: Opened, number: number, context: ViewContext): HTMLElement | null {
  const { branchPoint, trace, position } = opened;
  if (number === branchPoint.winner) return element("span", { class: "muted" }, "appended");
  if (trace.start.decoder !== "cntp") return null;
  const hint = `Start a new run that appends trial ${fromOne(number)} here and continues from it`;
  return branchButton(
    "Continue from this trial",
    hint,
    trace,
    { position, trial: number },
    context,
  );
}
