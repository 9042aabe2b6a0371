import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  longText,
  NOTHING_OPENED,
  occurrences,
  piecesOf,
  plainText,
  shownTokens,
  STRONGEST,
  type LongText,
  type Opened,
} from "../../src/pictures/stripFold";
import { lineAt, linesOf } from "../../src/pictures/stripLines";
import type { StripSection, StripToken } from "../../src/pictures/stripToken";

const PAGE = { width: 600, size: 15, row: 32, label: 20 };

const token = (key: number, text: string, weight: number, unit?: number): StripToken => ({
  key,
  text,
  piece: "",
  word: key,
  fill: null,
  ink: null,
  state: "scored",
  band: null,
  target: false,
  label: text,
  weight,
  unit,
});

/** Sections of so many tokens, with weights of which few are large, some of them of one unit. */
const texts = fc
  .record({
    lengths: fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 1, maxLength: 6 }),
    peaks: fc.array(fc.tuple(fc.nat(4000), fc.double({ min: 0, max: 9, noNaN: true }))),
    wide: fc.integer({ min: 1, max: 40 }),
    word: fc.integer({ min: 1, max: 20 }),
  })
  .map(({ lengths, peaks, wide, word }) => {
    const weights = new Map(peaks);
    let key = 0;
    return lengths.map((length, i): StripSection => ({
      label: `section ${i}`,
      tokens: Array.from({ length }, () => {
        const at = key++;
        const unit = Math.floor(at / wide);
        const made = token(at, ` t${at}`, weights.get(unit) ?? 0, unit);
        return { ...made, word: Math.floor(at / word), target: at % 977 === 5 };
      }),
    }));
  });

const openings = fc.record({
  all: fc.constant(false),
  ranges: fc.array(
    fc.nat(3000).map((from) => ({ from, to: from + 50 })),
    { maxLength: 3 },
  ),
  kept: fc.array(fc.nat(3000), { maxLength: 4 }),
});

/** Ranges and places that the text has. */
const within = ({ tokens: { length } }: LongText, opened: Opened): Opened => ({
  ...opened,
  ranges: opened.ranges.filter(({ to }) => to <= length),
  kept: opened.kept.filter((place) => place < length),
});

const places = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe("a folded text", () => {
  it("has every token in exactly one piece, and on one line, in order", () => {
    fc.assert(
      fc.property(texts, openings, (sections, given) => {
        const text = longText(sections);
        const shown = shownTokens(text, within(text, given));
        const pieces = piecesOf(text, shown);
        const all = places(0, text.tokens.length);
        expect(pieces.flatMap(({ from, to }) => places(from, to))).toEqual(all);
        for (const { from, to, shown: visible, section } of pieces) {
          expect(places(from, to).every((place) => shown[place] === (visible ? 1 : 0))).toBe(true);
          const own = text.sections[section];
          expect(own && own.from <= from && to <= own.to).toBe(true);
        }
        const lines = linesOf(text, pieces, PAGE);
        const items = lines.flatMap((line) => line.items);
        expect(items.flatMap(({ from, to }) => places(from, to))).toEqual(all);
      }),
      { numRuns: 40 },
    );
  });

  it("always shows the strongest, whole units of them, and what is kept and opened", () => {
    fc.assert(
      fc.property(texts, openings, (sections, given) => {
        const text = longText(sections);
        const opened = within(text, given);
        const shown = shownTokens(text, opened);
        const heavy = text.tokens.map(({ weight = 0 }) => weight).sort((a, b) => b - a);
        expect(text.peaks[0]?.weight ?? 0).toBe(heavy[0] ?? 0);
        for (const { from, to } of [...text.peaks.slice(0, STRONGEST), ...opened.ranges])
          expect(places(from, to).every((place) => shown[place])).toBe(true);
        expect(opened.kept.every((place) => shown[place])).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it("is whole once every gap of it is opened, and a gap opens by itself alone", () => {
    fc.assert(
      fc.property(texts, (sections) => {
        const text = longText(sections);
        const folded = shownTokens(text, NOTHING_OPENED);
        const gaps = piecesOf(text, folded).filter((piece) => !piece.shown);
        const whole = shownTokens(text, { ...NOTHING_OPENED, ranges: gaps });
        expect(whole.every(Boolean)).toBe(true);
        const [first] = gaps;
        if (!first) return;
        const one = shownTokens(text, { ...NOTHING_OPENED, ranges: [first] });
        const changed = places(0, one.length).filter((place) => one[place] !== folded[place]);
        expect(changed).toEqual(places(first.from, first.to));
      }),
      { numRuns: 40 },
    );
  });

  it("stays short, however long the text is", () => {
    for (const length of [2000, 4000, 8000]) {
      const tokens = places(0, length).map((key) => token(key, " word", (key * 7919) % 1000));
      const text = longText([{ label: "Prompt", tokens }]);
      const shown = shownTokens(text, NOTHING_OPENED);
      expect(shown.reduce((sum, one) => sum + one, 0)).toBeLessThan(300);
      expect(plainText(text)).toHaveLength(5 * length);
    }
  });

  it("knows the line of each token, folded or not", () => {
    const tokens = places(0, 900).map((key) => token(key, key % 40 ? " word" : "\n", key % 97));
    const text = longText([{ label: "Prompt", tokens }]);
    const lines = linesOf(text, piecesOf(text, shownTokens(text, NOTHING_OPENED)), PAGE);
    for (const place of places(0, 900)) {
      const line = lines[lineAt(lines, place)];
      expect(line?.items.some(({ from, to }) => from <= place && place < to)).toBe(true);
    }
  });
});

describe("a search in the text", () => {
  const text = longText([
    { label: "", tokens: [" Ab", "c (d", ") a", "BC"].map((one, i) => token(i, one, 0)) },
  ]);

  it("finds across tokens, in any case, signs as signs", () => {
    expect(occurrences(text, "abc")).toEqual([
      { from: 0, to: 2 },
      { from: 2, to: 4 },
    ]);
    expect(occurrences(text, "(d)")).toEqual([{ from: 1, to: 3 }]);
    expect(occurrences(text, "")).toEqual([]);
    expect(occurrences(text, "abd")).toEqual([]);
  });
});
