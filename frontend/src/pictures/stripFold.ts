// A long text folded to what matters: the strongest tokens with their surroundings, the rest counted.

import type { StripSection, StripToken } from "./stripToken";

/** Texts up to this length are shown whole. */
export const FOLDED_ABOVE = 600;
/** Numbers whose tokens are always shown, the largest first. */
export const STRONGEST = 12;
const CONTEXT = 5; // tokens shown on either side of one that is shown for itself
const ENDS = 24; // of each section, on either side; of many sections, fewer
const ENDS_OF_MANY = 4;
const MANY = 4;
const LONG_RUN = 64; // a longer run of targets is shown by its ends
const SHORT_GAP = 8; // a shorter gap is not worth its own words
const LONG_WORD = 12;

/** Tokens from one place up to another, which is not part of it; places count through sections. */
export interface Range {
  from: number;
  to: number;
}

/** A stretch of one section that is shown, or counted only. */
export interface Piece extends Range {
  section: number;
  shown: boolean;
}

/** Tokens of one number that has a size, such as a word's or a sentence's. */
export interface Peak extends Range {
  weight: number;
}

/** All sections' tokens in one row. */
export interface LongText {
  tokens: readonly StripToken[];
  sections: readonly (Range & { label: string })[];
  placeOf: ReadonlyMap<number, number>;
  /** By weight, the largest first; of equal ones, the earlier first. */
  peaks: readonly Peak[];
}

export interface Opened {
  /** Everything. */
  all: boolean;
  ranges: readonly Range[];
  /** Places shown with their surroundings: what is selected, commented or found. */
  kept: readonly number[];
}

export const NOTHING_OPENED: Opened = { all: false, ranges: [], kept: [] };

export const lengthOf = (sections: readonly StripSection[]) =>
  sections.reduce((sum, { tokens }) => sum + tokens.length, 0);

export const isLong = (sections: readonly StripSection[]) => lengthOf(sections) > FOLDED_ABOVE;

export function longText(given: readonly StripSection[]): LongText {
  const tokens = given.flatMap((section) => section.tokens);
  let from = 0;
  const sections = given.map(({ label, tokens: own }) => {
    const section = { label, from, to: from + own.length };
    from = section.to;
    return section;
  });
  const placeOf = new Map(tokens.map(({ key }, place) => [key, place]));
  return { tokens, sections, placeOf, peaks: peaksOf(tokens) };
}

function peaksOf(tokens: readonly StripToken[]): Peak[] {
  const peaks: Peak[] = [];
  let unit: number | undefined;
  tokens.forEach((token, place) => {
    const { weight = 0 } = token;
    const last = peaks.at(-1);
    const own = token.unit ?? -1 - place;
    if (last?.to === place && own === unit) {
      last.to = place + 1;
      last.weight = Math.max(last.weight, weight);
    } else if (weight > 0) peaks.push({ from: place, to: place + 1, weight });
    unit = own;
  });
  return peaks.sort((a, b) => b.weight - a.weight);
}

/** 1 for each token that is shown. */
export function shownTokens(text: LongText, opened: Opened): Uint8Array {
  const { tokens, sections, peaks } = text;
  const shown = new Uint8Array(tokens.length);
  if (opened.all) return shown.fill(1);
  const around = (from: number, to: number) =>
    shown.fill(1, Math.max(0, from - CONTEXT), Math.min(tokens.length, to + CONTEXT));
  for (const section of sections) showEnds(shown, section, sections.length);
  for (const { from, to } of peaks.slice(0, STRONGEST)) around(from, to);
  for (const { from, to } of targetsOf(tokens)) {
    if (to - from <= LONG_RUN) around(from, to);
    else around(from, from).fill(1, to - CONTEXT, to);
  }
  tokens.forEach(({ badge }, place) => badge && (shown[place] = 1));
  for (const place of opened.kept) around(place, place + 1);
  for (const { from, to } of opened.ranges) shown.fill(1, from, to);
  showWords(shown, tokens);
  for (const gap of piecesOf(text, shown)) {
    if (!gap.shown && gap.to - gap.from < SHORT_GAP) shown.fill(1, gap.from, gap.to);
  }
  return shown;
}

function showEnds(shown: Uint8Array, { from, to }: Range, sections: number): void {
  const ends = sections > MANY ? ENDS_OF_MANY : ENDS;
  shown.fill(1, from, Math.min(to, from + ends));
  if (sections <= MANY) shown.fill(1, Math.max(from, to - ends), to);
}

function targetsOf(tokens: readonly StripToken[]): Range[] {
  const runs: Range[] = [];
  tokens.forEach(({ target }, place) => {
    const last = runs.at(-1);
    if (target && last?.to === place) last.to = place + 1;
    else if (target) runs.push({ from: place, to: place + 1 });
  });
  return runs;
}

/** A word of which a token is shown is shown whole, unless it is no word but a line of signs. */
function showWords(shown: Uint8Array, tokens: readonly StripToken[]): void {
  for (let from = 0, to = 0; from < tokens.length; from = to) {
    while (to < tokens.length && tokens[to]?.word === tokens[from]?.word) to += 1;
    if (to - from <= LONG_WORD && shown.subarray(from, to).includes(1)) shown.fill(1, from, to);
  }
}

/** Every token in exactly one piece; within a section, shown pieces and gaps take turns. */
export function piecesOf({ sections }: LongText, shown: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  sections.forEach(({ from, to }, section) => {
    for (let place = from; place < to; place++) {
      const [last, visible] = [pieces.at(-1), shown[place] === 1];
      if (last?.section === section && last.shown === visible) last.to = place + 1;
      else pieces.push({ section, from: place, to: place + 1, shown: visible });
    }
  });
  return pieces;
}

/** The text as it was given, for the clipboard. */
export const plainText = ({ tokens }: LongText) => tokens.map(({ text }) => text).join("");

/** Places of each occurrence of a text, whatever its letters' case. */
export function occurrences({ tokens }: LongText, wanted: string): Range[] {
  if (!wanted) return [];
  const starts: number[] = [];
  let length = 0;
  for (const { text } of tokens) {
    starts.push(length);
    length += text.length;
  }
  const pattern = new RegExp(wanted.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "giu");
  let place = 0;
  return [
    ...tokens
      .map(({ text }) => text)
      .join("")
      .matchAll(pattern),
  ].map((match) => {
    const end = match.index + match[0].length;
    while ((starts[place + 1] ?? Infinity) <= match.index) place += 1;
    let to = place + 1;
    while ((starts[to] ?? Infinity) < end) to += 1;
    return { from: place, to };
  });
}

/** The sections with a word in each gap's place, for what cannot be opened; short ones as they are. */
export function foldedSections(sections: readonly StripSection[]): readonly StripSection[] {
  if (!isLong(sections)) return sections;
  const text = longText(sections);
  const pieces = piecesOf(text, shownTokens(text, NOTHING_OPENED));
  return sections.map(({ label }, section) => ({
    label,
    tokens: pieces
      .filter((piece) => piece.section === section)
      .flatMap((piece) =>
        piece.shown ? text.tokens.slice(piece.from, piece.to) : [gapToken(piece)],
      ),
  }));
}

/** Narrow spaces, which are not shown as those of the text are. */
const gapToken = (gap: Range): StripToken => ({
  key: -1 - gap.from,
  text: gapText(gap).replaceAll(" ", "\u2009"),
  piece: "",
  word: -1,
  fill: null,
  ink: null,
  state: "outside",
  band: null,
  target: false,
  label: `${gapText(gap)} folded`,
});

export const gapText = ({ from, to }: Range) => `… ${(to - from).toLocaleString("en")} tokens`;
