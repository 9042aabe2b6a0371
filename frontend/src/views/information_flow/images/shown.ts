// What all panels are drawn from, and the words for it.

import { get } from "svelte/store";
import type { Drawn, Row, Verdict } from "../../../gen/information_flow";
import { legible } from "../../../pictures/glyphs";
import type { Panel as AnyPanel } from "../../../view/panel";
import type { Item } from "../../../view/selection";
import type { ResourceCache } from "../../../view/resourceCache";
import type { Theme } from "../../../base/theme";
import type { ViewContext } from "../../../view/view";
import { pictureKey, type State } from "./state";

export const PICTURE = "picture";
export const TOKEN = "token";

export interface Shown {
  state: State;
  theme: Theme;
  /** Pictures in a row of the grid, those to come included. */
  columns: number;
  seed: number;
  address(picture: Drawn): string | null;
}

export type Panel = AnyPanel<Shown>;

export function readShown(state: State, context: ViewContext, resources: ResourceCache): Shown {
  const { params, defaults } = get(context.run);
  const number = (name: string) => Number(params[name] ?? defaults[name] ?? 0);
  return {
    state,
    theme: get(context.theme),
    columns: Math.max(state.columns, number("pictures")),
    seed: number("seed"),
    address: ({ picture }) => resources(picture.sha256, () => context.pictures(picture)),
  };
}

export const pictureAt = ({ state }: Shown, row: number, column: number): Drawn | null =>
  state.pictures.get(pictureKey(row, column)) ?? null;

export const placeOf = ({ columns }: Shown, item: Item | null) =>
  item?.kind === PICTURE
    ? { row: Math.floor(item.index / columns), column: item.index % columns }
    : null;

export const pictureItem = ({ columns }: Shown, row: number, column: number): Item => ({
  kind: PICTURE,
  index: row * columns + column,
});

export const phraseOf = ({ state }: Shown, item: number | null) =>
  legible(state.prompt?.items[item ?? -1]?.phrase ?? "");

/** How the row's states came about, as a sentence for headings and tables. */
export function howOf(shown: Shown, row: Row): string {
  const phrase = phraseOf(shown, row.item);
  switch (row.shows) {
    case "whole":
      return "Whole prompt, unchanged";
    case "item":
      return `Only “${phrase}” kept, encoded with the prompt`;
    case "alone":
      return `Only “${phrase}” kept, encoded in isolation`;
    case "fixed":
      return `Whole prompt, with “${phrase}” encoded in isolation`;
    case "token":
      return `Only the token “${legible(row.label)}” kept`;
    case "removed":
      return `Whole prompt, without the tokens of “${phrase}” that do not represent it`;
    case "layer":
      return `Whole prompt, encoded up to ${legible(row.label).toLowerCase()}`;
  }
}

/** Rows about an item that show the whole prompt. */
const WHOLE: ReadonlySet<Row["shows"]> = new Set(["fixed", "removed"]);

export interface Badge {
  text: string;
  kind: "good" | "bad" | "neutral";
}

/** The classifier's verdict on a picture, shortest first. */
export function badgesOf(row: Row, verdict: Verdict): Badge[] {
  const badges: Badge[] = [];
  const wanted = row.item !== null && !WHOLE.has(row.shows) ? [row.item] : null;
  const items = wanted ?? verdict.shown.map((_, item) => item);
  const known = items.flatMap((item) => verdict.shown[item] ?? []);
  if (known.length === 1) badges.push(shownBadge(known[0] === true));
  else if (known.length > 1) badges.push(countBadge(known.filter(Boolean).length, known.length));
  if (verdict.leak) badges.push({ text: "leakage", kind: "bad" });
  return badges;
}

const shownBadge = (there: boolean): Badge =>
  there ? { text: "✓ shown", kind: "good" } : { text: "✗ not shown", kind: "neutral" };

const countBadge = (count: number, of: number): Badge => ({
  text: `${count === of ? "✓" : "✗"} ${count} of ${of}`,
  kind: count === of ? "good" : "neutral",
});

/** For those who do not see it. */
export function sentence(shown: Shown, row: Row, picture: Drawn): string {
  const { verdict, seed } = picture;
  const start = `${howOf(shown, row)}, seed ${seed}`;
  if (!verdict) return `${start}. No classifier.`;
  const seen = verdict.seen.length ? verdict.seen.join(", ") : "nothing";
  const badges = badgesOf(row, verdict).map((badge) => badge.text.replace(/^[✓✗] /, ""));
  return [`${start}: detected ${seen}`, ...badges].join("; ") + ".";
}

/** "shown in 3 of 4 · leakage in 2 of 4", of the pictures so far. */
export function tally(shown: Shown, row: Row): string {
  const verdicts = Array.from({ length: shown.columns }, (_, column) =>
    pictureAt(shown, row.row, column),
  ).flatMap((picture) => picture?.verdict ?? []);
  if (verdicts.length === 0) return "";
  const of = verdicts.length;
  const whole = row.item === null || WHOLE.has(row.shows);
  const right = verdicts.filter((verdict) =>
    whole ? verdict.shown.every((one) => one !== false) : verdict.shown[row.item ?? 0] !== false,
  ).length;
  const leaks = verdicts.filter((verdict) => verdict.leak === true).length;
  const known = verdicts.some((verdict) => verdict.leak !== null);
  const parts = [`${whole ? "all shown" : "shown"} in ${right} of ${of}`];
  if (known && row.shows !== "token") parts.push(`leakage in ${leaks} of ${of}`);
  return parts.join(" · ");
}
