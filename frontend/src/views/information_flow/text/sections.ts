// The text as tokens with colours: of one reader's row, or of any other number per group.

import { inkOn, type ColourScale } from "../../../pictures/colour";
import { spoken } from "../../../pictures/glyphs";
import { worksAgainst, type Measured } from "../../../pictures/support";
import type { StripMarks, StripSection, StripToken } from "../../../pictures/tokenStrip";
import { markedPositions } from "../../../view/position";
import type { Selected } from "../../../view/selection";
import { groupAt, groupsOf, positionsOf } from "./shown";
import type { State } from "./state";

export interface Filling {
  scale: ColourScale;
  /** Of a group; null: it has none. */
  value(group: number): number | null;
  /** The value as it is read out. */
  said(value: number): string;
  /** Said of a group without a value. */
  without: string;
  /** The group that reads, marked above its first token. */
  reader: number | null;
  /** How its numbers tell support; absent where they do not. */
  measured?: Measured;
}

/** Prompt and output; without a filling the bare text. */
export function sectionsOf(state: State, filling: Filling | null): StripSection[] {
  const targets = targetPositions(state);
  const groups = groupsByPosition(state);
  const tokens = state.tokens.map((_, position) => {
    const group = groups[position] ?? null;
    return tokenOf(state, filling, position, group, targets.has(position));
  });
  return [
    { label: "Prompt", tokens: tokens.slice(0, state.promptLength) },
    { label: "Output", tokens: tokens.slice(state.promptLength) },
  ].filter((section) => section.tokens.length > 0);
}

function groupsByPosition(state: State): number[] {
  const found: number[] = [];
  groupsOf(state).forEach((group, at) => found.fill(at, (found.length = group.end) && group.start));
  return found;
}

export function targetPositions({ output }: State): Set<number> {
  if (!output) return new Set();
  const { steps, target_start, target_length } = output;
  const chosen = steps.slice(target_start, target_start + target_length);
  return new Set(chosen.map((step) => step.position));
}

function tokenOf(
  state: State,
  filling: Filling | null,
  position: number,
  group: number | null,
  target: boolean,
): StripToken {
  const token = state.tokens[position];
  const value = filling && group !== null ? filling.value(group) : null;
  const fill = filling && value !== null ? filling.scale.colour(value) : null;
  const reads = group !== null && group === filling?.reader;
  const leads = group !== null && groupsOf(state)[group]?.start === position;
  const text = spoken(token?.text || token?.piece || "");
  const said = value === null ? (filling?.without ?? "") : (filling?.said(value) ?? "");
  const parts = [text, target ? "the answer" : "", reads ? "reader" : said];
  return {
    key: position,
    text: token?.text ?? "",
    piece: token?.piece ?? "",
    word: token?.word ?? position,
    fill,
    ink: fill && inkOn(fill),
    state: !filling || fill || reads ? "scored" : "outside",
    band: null,
    target,
    against: Boolean(
      fill &&
      value !== null &&
      filling?.measured &&
      worksAgainst(value, filling.scale, filling.measured),
    ),
    weight: value === null ? 0 : Math.abs(value),
    unit: group ?? undefined,
    label: parts.filter(Boolean).join(", "),
    badge: reads && leads ? "reader" : undefined,
  };
}

/** All tokens of a group light up with one of them. */
export const marksOf = (state: State, selected: Selected): StripMarks =>
  markedPositions(selected, (hovered) => {
    const group = groupAt(state, hovered);
    return group === null ? [hovered] : positionsOf(state, group);
  });
