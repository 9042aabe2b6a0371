// From units with scores to tokens with colours.

import { faint, inkOn, type ColourScale } from "../../pictures/colour";
import { spoken } from "../../pictures/glyphs";
import { showNumber } from "../../pictures/numbers";
import { worksAgainst } from "../../pictures/support";
import type { StripMarks, StripSection, StripToken } from "../../pictures/tokenStrip";
import { markedPositions } from "../../view/position";
import type { Selected } from "../../view/selection";
import { PART, positionState, targetPositions, unitAt, type Unit, type UnitState } from "./maps";
import { isFaint, type Shown } from "./shown";

export function sectionsOf(shown: Shown): StripSection[] {
  const tokens = stripTokens(shown);
  const { promptLength } = shown.state;
  const sections = [
    { label: "Prompt", tokens: tokens.slice(0, promptLength) },
    { label: "Output", tokens: tokens.slice(promptLength) },
  ];
  return sections.filter((section) => section.tokens.length > 0);
}

function stripTokens(shown: Shown): StripToken[] {
  const targets = new Set(targetPositions(shown.state, shown.row));
  const scored = shown.state.maps !== null;
  const tokens: StripToken[] = [];
  for (const unit of shown.units) {
    for (const position of unit.positions) {
      tokens[position] = tokenOf(shown, unit, position, targets.has(position), scored);
    }
  }
  return tokens;
}

function tokenOf(
  { state, scale, row, theme }: Shown,
  unit: Unit,
  position: number,
  target: boolean,
  scored: boolean,
): StripToken {
  const token = state.tokens[position];
  const masked = unit.state === "scored" ? positionState(state, row, position) : unit.state;
  const full = scored && masked === "scored" ? scale.colour(unit.mean) : null;
  const noise = isFaint(state, unit.mean, unit.error);
  const fill = full && noise ? faint(full, theme) : full;
  const leads = position === unit.positions[0];
  return {
    key: position,
    text: token?.text ?? "",
    piece: token?.piece ?? "",
    word: token?.word ?? position,
    fill,
    ink: fill && inkOn(fill),
    state: scored ? masked : "scored",
    band: fill && leads ? bandOf(unit, scale) : null,
    target,
    against: fill !== null && !noise && worksAgainst(unit.mean, scale, "present"),
    weight: full === null ? 0 : Math.abs(unit.mean),
    unit: unit.index,
    label: labelOf(unit, masked, token?.text ?? "", scored, target),
  };
}

function bandOf({ mean, error }: Unit, { kind, limit }: ColourScale): StripToken["band"] {
  const share = (value: number) => value / (limit || 1);
  const place = (value: number) =>
    Math.min(1, Math.max(0, kind === "diverging" ? (share(value) + 1) / 2 : share(value)));
  return { low: place(mean - error), high: place(mean + error), zero: place(0) };
}

function labelOf(
  unit: Unit,
  kind: UnitState,
  text: string,
  scored: boolean,
  target: boolean,
): string {
  const name = target ? `${spoken(text)}, explained` : spoken(text);
  if (!scored) return name;
  if (kind === "masked") return `${name}, protected`;
  if (kind === "outside") return `${name}, comes after the output token`;
  const score = `${showNumber(unit.mean)} ± ${showNumber(unit.error)}`;
  return `${name}, ${score}, rank ${unit.rank ?? "none"}${unit.partial ? `, ${PART}` : ""}`;
}

export const marksOf = ({ units }: Shown, selected: Selected): StripMarks =>
  markedPositions(selected, (hovered) => unitAt(units, hovered)?.positions ?? []);
