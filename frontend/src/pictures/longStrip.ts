// A strip of a long text: folded, in a frame of its own height, with a map and tools above it.

import {
  longText,
  occurrences,
  piecesOf,
  plainText,
  shownTokens,
  type LongText,
  type Range,
} from "./stripFold";
import { lineAt, linesOf, type Line } from "./stripLines";
import { nextStop } from "./stripStops";
import { keyOf, markToken, type StripMarks, type StripSection } from "./stripToken";
import { createStripTools, type StripTools, type ToolsState } from "./stripTools";
import { createStripWindow, type StripWindow } from "./stripWindow";
import type { StripDrawing } from "./wholeStrip";

export interface LongStripHandlers {
  hover(key: number | null): void;
  /** Elements were drawn again: what others look at is shown on them. */
  drawn(): void;
  /** Keys of tokens that are commented. */
  commented(): readonly number[];
}

const NO_MARKS: StripMarks = { hover: new Set(), primary: null, pinned: null, set: new Set() };
/** Occurrences of a text, and which of them is shown. */
const NOT_SOUGHT = { wanted: "", at: -1, ranges: [] as Range[] };
const AROUND = 20; // tokens opened on either side of a place of the map

export class LongStrip implements StripDrawing {
  private drawn = new Map<number, HTMLElement>();
  private marks: StripMarks = NO_MARKS;
  private text: LongText = longText([]);
  private shown: Uint8Array = new Uint8Array();
  private lines: Line[] = [];
  private all = false;
  private ranges: Range[] = [];
  /** Places that were shown for themselves since the text was folded. */
  private kept = new Set<number>();
  /** A chosen token that has yet to come into view: it may not have arrived. */
  private sought: number | null = null;
  private ranked: number | null = null;
  private found = NOT_SOUGHT;
  private readonly window: StripWindow;
  private readonly tools: StripTools;

  constructor(
    private readonly list: HTMLElement,
    private readonly handlers: LongStripHandlers,
  ) {
    list.classList.add("long-strip");
    list.tabIndex = -1;
    this.tools = createStripTools(list, {
      strongest: (by) => this.goToStrongest(by),
      all: () => this.showAll(),
      fold: () => this.foldAgain(),
      find: (wanted, by) => this.find(wanted, by),
      text: () => plainText(this.text),
      jump: (place) => this.window.centre(lineAt(this.lines, place)),
      open: (place) => this.open({ from: place - AROUND, to: place + AROUND }),
    });
    this.window = createStripWindow(list, {
      drawn: () => this.dress(),
      resized: () => this.fold(),
    });
  }

  elements(): ReadonlyMap<number, HTMLElement> {
    return this.drawn;
  }

  render(sections: readonly StripSection[]): void {
    this.text = longText(sections);
    this.fold();
    this.seek();
  }

  mark(marks: StripMarks): void {
    const before = this.marks;
    this.marks = marks;
    if (marks.primary !== before.primary) this.sought = marks.primary;
    if (this.wanted().some((place) => !this.shown[place])) this.fold();
    else for (const key of keysOf(before, marks)) this.markOne(key);
    this.markGaps();
    this.tools.hover(this.placesOf([...marks.hover])[0] ?? null);
    this.seek();
  }

  /** What a key moves to from the element that has the focus; null: nothing. */
  step(from: HTMLElement, key: string): HTMLElement | null {
    const stop = nextStop(this.lines, from, key, (at) => this.window.bring(at), this.list);
    return stop && this.elementAt(stop.from);
  }

  openGap(gap: HTMLElement): void {
    const from = Number(gap.dataset.from);
    this.open({ from, to: Number(gap.dataset.to) });
    this.elementAt(from)?.focus({ preventScroll: true });
  }

  goToStrongest(by: 1 | -1): void {
    const { peaks } = this.text;
    const peak = peaks[Math.min(peaks.length - 1, Math.max(0, this.rank() + by))];
    if (!peak) return;
    this.ranked = peak.from;
    this.bring(peak);
    const token = this.text.tokens[peak.from];
    this.elementAt(peak.from)?.focus({ preventScroll: true });
    this.handlers.hover(token?.key ?? null);
  }

  clear(): void {
    this.window.clear();
    this.tools.destroy();
    this.list.replaceChildren();
    this.list.classList.remove("long-strip");
    this.list.removeAttribute("tabindex");
  }

  private fold(): void {
    const opened = { all: this.all, ranges: this.ranges };
    const shown = () => shownTokens(this.text, { ...opened, kept: [...this.kept] });
    this.shown = shown();
    const folded = this.wanted().filter((place) => !this.shown[place]);
    if (folded.length) {
      for (const place of folded) this.kept.add(place);
      this.shown = shown();
    }
    this.lines = linesOf(this.text, piecesOf(this.text, this.shown), this.window.page(this.text));
    this.tools.show(this.state());
    this.window.show(this.text, this.lines);
  }

  private state(): ToolsState {
    const { text, shown, all, found } = this;
    const opened = all || this.ranges.length > 0 || this.kept.size > 0;
    return {
      text,
      shown,
      all,
      opened,
      rank: this.rank(),
      found: [found.at + 1, found.ranges.length],
    };
  }

  private showAll(): void {
    this.all = true;
    this.fold();
  }

  private foldAgain(): void {
    this.all = false;
    this.ranges = [];
    this.kept.clear();
    this.ranked = null;
    this.found = NOT_SOUGHT;
    this.fold();
  }

  private open(range: Range): void {
    const length = this.text.tokens.length;
    this.ranges.push({ from: Math.max(0, range.from), to: Math.min(length, range.to) });
    this.fold();
  }

  /** Into view, opened where it is folded. */
  private bring({ from, to }: Range): void {
    for (let place = from; place < to; place++) if (!this.shown[place]) this.kept.add(place);
    this.fold();
    this.window.bring(lineAt(this.lines, from));
  }

  private find(wanted: string, by: 1 | -1 | 0): void {
    const ranges =
      wanted === this.found.wanted ? this.found.ranges : occurrences(this.text, wanted);
    const at = ranges.length ? (this.found.at + by + ranges.length) % ranges.length : -1;
    this.found = { wanted, ranges, at: by === 0 && ranges.length ? 0 : at };
    const range = ranges[this.found.at];
    if (range) this.bring(range);
    else this.fold();
  }

  private rank(): number {
    const place = this.ranked;
    return place === null
      ? -1
      : this.text.peaks.findIndex(({ from, to }) => from <= place && place < to);
  }

  /** What is selected or commented is never folded. */
  private wanted(): number[] {
    const { primary, pinned, set } = this.marks;
    const keys = [primary, pinned, ...set, ...this.handlers.commented()];
    return this.placesOf(keys.filter((key) => key !== null));
  }

  private placesOf = (keys: readonly number[]) =>
    keys.flatMap((key) => this.text.placeOf.get(key) ?? []);

  private seek(): void {
    const place = this.sought === null ? undefined : this.text.placeOf.get(this.sought);
    if (place === undefined) return;
    this.sought = null;
    this.window.bring(lineAt(this.lines, place));
  }

  private elementAt(place: number): HTMLElement | null {
    const token = this.text.tokens[place];
    const gap = this.list.querySelector<HTMLElement>(`.gap[data-from="${place}"]`);
    return gap ?? this.drawn.get(token?.key ?? NaN) ?? null;
  }

  /** New elements look as those do that were there. */
  private dress(): void {
    const drawn = [...this.list.querySelectorAll<HTMLElement>(".token")];
    this.drawn = new Map(drawn.map((token) => [keyOf(token), token]));
    for (const key of this.drawn.keys()) this.markOne(key);
    const found = this.found.ranges[this.found.at];
    const { tokens } = this.text;
    const keys = new Set(found && tokens.slice(found.from, found.to).map(({ key }) => key));
    for (const [key, token] of this.drawn) token.classList.toggle("is-found", keys.has(key));
    this.markGaps();
    this.keepOneTabStop(drawn);
    this.tools.view(this.window.inView());
    this.handlers.drawn();
  }

  private markOne(key: number): void {
    const token = this.drawn.get(key);
    if (token) markToken(token, key, this.marks);
    if (token && key === this.marks.primary) this.keepOneTabStop([...this.drawn.values()]);
  }

  private markGaps(): void {
    const hovered = this.placesOf([...this.marks.hover]);
    for (const gap of this.list.querySelectorAll<HTMLElement>(".gap")) {
      const [from, to] = [Number(gap.dataset.from), Number(gap.dataset.to)];
      gap.classList.toggle(
        "is-hover",
        hovered.some((place) => from <= place && place < to),
      );
    }
  }

  private keepOneTabStop(drawn: readonly HTMLElement[]): void {
    const primary = this.drawn.get(this.marks.primary ?? NaN);
    for (const token of drawn) {
      const wanted = token === (primary ?? drawn[0]) ? 0 : -1;
      if (token.tabIndex !== wanted) token.tabIndex = wanted;
    }
  }
}

const keysOf = (...all: readonly StripMarks[]) =>
  new Set(
    all.flatMap(({ hover, primary, pinned, set }) => [
      ...hover,
      ...set,
      primary ?? NaN,
      pinned ?? NaN,
    ]),
  );
