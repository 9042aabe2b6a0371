// A long text broken into lines of one height, so that only those in view need to be drawn.

import { bisector } from "d3-array";
import { visible } from "./glyphs";
import { measure } from "./sheet";
import { gapText, type LongText, type Piece, type Range } from "./stripFold";
import type { StripToken } from "./stripToken";

/** A token by its place, or the tokens that one gap stands for. */
export interface LineItem extends Range {
  gap: boolean;
}

export interface Line {
  section: number;
  /** The section's name stands on a line of its own: it has no items. */
  items: readonly LineItem[];
  top: number;
  height: number;
}

export interface Page {
  /** Of a line, and of the letters on it. */
  width: number;
  size: number;
  row: number;
  label: number;
}

const PADDING = 5.5; // of a token, with its margins
const NARROWEST = 13;
const SAFE = 1.03; // browsers round; a line that is too wide would be cut
const BOLD = 1.08;

const widths = new Map<string, number>();

export function widthOf(token: StripToken, size: number): number {
  const text = token.text || token.piece;
  const known = widths.get(text) ?? SAFE * measure(visible(text), 100);
  widths.set(text, known);
  const wide = (known * size * (token.target ? BOLD : 1)) / 100;
  return Math.max(NARROWEST, wide + PADDING);
}

const gapWidth = (gap: Range, size: number) => SAFE * measure(gapText(gap), 0.8 * size) + 20;

/** The pieces in lines, one below the other. */
export function linesOf(text: LongText, pieces: readonly Piece[], page: Page): Line[] {
  const lines: Line[] = [];
  let top = 0;
  const add = (section: number, items: readonly LineItem[], height: number) => {
    lines.push({ section, items, top, height });
    top += height;
  };
  text.sections.forEach(({ label }, section) => {
    const own = pieces.filter((piece) => piece.section === section);
    if (own.length === 0) return;
    if (label) add(section, [], page.label);
    for (const items of broken(wordsOf(text, own, page), page.width)) add(section, items, page.row);
  });
  return lines;
}

interface Box {
  items: LineItem[];
  widths: number[];
  /** A line ends after it. */
  last: boolean;
}

/** What stays on one line where it can: the tokens of a word, or a gap. */
function wordsOf({ tokens }: LongText, pieces: readonly Piece[], { size }: Page): Box[] {
  const words: Box[] = [];
  for (const { from, to, shown } of pieces) {
    if (!shown) {
      words.push({
        items: [{ from, to, gap: true }],
        widths: [gapWidth({ from, to }, size)],
        last: false,
      });
      continue;
    }
    for (let place = from; place < to; place++) {
      const token = tokens[place];
      if (!token) continue;
      const joins = place > from && token.word === tokens[place - 1]?.word;
      const word = joins ? words.at(-1) : undefined;
      const box = word ?? { items: [], widths: [], last: false };
      if (!word) words.push(box);
      box.items.push({ from: place, to: place + 1, gap: false });
      box.widths.push(widthOf(token, size));
      box.last = token.text.includes("\n");
    }
  }
  return words;
}

/** A word that is wider than a line is broken between its tokens. */
function broken(words: readonly Box[], width: number): LineItem[][] {
  const lines: LineItem[][] = [];
  let line: LineItem[] = [];
  let used = 0;
  const end = () => {
    if (line.length) lines.push(line);
    [line, used] = [[], 0];
  };
  for (const { items, widths: own, last } of words) {
    const whole = own.reduce((sum, one) => sum + one, 0);
    if (used + whole > width) end();
    items.forEach((item, i) => {
      const wide = own[i] ?? 0;
      if (used > 0 && used + wide > width) end();
      line.push(item);
      used += wide;
    });
    if (last) end();
  }
  end();
  return lines;
}

const byTop = bisector((line: Line) => line.top);

/** Numbers of the lines that reach into a stretch of the page. */
export const linesWithin = (lines: readonly Line[], from: number, to: number): Range => ({
  from: Math.max(0, byTop.right(lines, from) - 1),
  to: byTop.left(lines, to),
});

/** Number of the line on which a place is shown, or counted by a gap; -1 where it is on none. */
export const lineAt = (lines: readonly Line[], place: number): number =>
  lines.findIndex(({ items }) => {
    const [first, last] = [items[0], items.at(-1)];
    return first && last && first.from <= place && place < last.to;
  });

export const heightOf = (lines: readonly Line[]) => {
  const last = lines.at(-1);
  return last ? last.top + last.height : 0;
};
