// A row of tokens that wraps as text: fill = value, border and underline = state.

import { plainKey } from "../view/keys";
import { select, type Selection as Joined } from "d3-selection";
import { visibleParts } from "./glyphs";
import { showOthers, type OthersMarks } from "./stripOthers";

export interface StripToken {
  key: number;
  text: string;
  /** Shown, muted, where the text is empty: markers, halves of a character. */
  piece: string;
  /** Tokens of one word stay on one line. */
  word: number;
  fill: string | null;
  ink: string | null;
  /** masked: has no score; outside: the model had not read it yet. */
  state: "scored" | "masked" | "outside";
  /** Mean ± standard error as shares of the track; null draws no band. */
  band: { low: number; high: number; zero: number } | null;
  target: boolean;
  /** Read out: text, value, rank. */
  label: string;
  /** A bar above the text: its height as a share, and its colour. */
  ribbon?: { share: number; colour: string } | null;
  /** A few characters above the text. */
  badge?: string;
  /** Works against the output: shown by a sign as well as the hue. */
  against?: boolean;
  /** Written in one go with its neighbours. */
  joined?: boolean;
}

export interface StripSection {
  label: string;
  tokens: StripToken[];
}

/** Keys of the tokens in each state of selection. */
export interface StripMarks {
  hover: ReadonlySet<number>;
  primary: number | null;
  pinned: number | null;
  set: ReadonlySet<number>;
}

export interface StripHandlers {
  hover(key: number | null): void;
  choose(key: number): void;
  /** Dragged or shift-clicked from one token to another. */
  extend(from: number, to: number): void;
  others?: OthersMarks;
}

export interface TokenStrip {
  render(sections: StripSection[]): void;
  mark(marks: StripMarks): void;
}

interface Word {
  key: string;
  tokens: StripToken[];
}

export function createTokenStrip(
  root: HTMLElement,
  label: string,
  handlers: StripHandlers,
): TokenStrip {
  const list = select(root)
    .append("div")
    .attr("class", "strip")
    .attr("role", "listbox")
    .attr("aria-label", label);
  const node = list.node() as HTMLElement;
  /** The marks on the elements; null: they were drawn since, so all are checked. */
  let marked: StripMarks | null = null;
  let elements = new Map<number, HTMLElement>();
  listen(node, handlers);
  const showAgain = handlers.others && showOthers(handlers.others, () => elements);
  return {
    render(sections) {
      const groups = list
        .selectAll<HTMLElement, StripSection>(".strip-section")
        .data(sections, (section) => section.label)
        .join((enter) => enter.append("div").attr("class", "strip-section").attr("role", "group"));
      groups.attr("aria-label", (section) => section.label);
      renderTokens(groups);
      keepOneTabStop(node);
      marked = null;
      elements = new Map(tokensIn(node).map((token) => [keyOf(token), token]));
      showAgain?.();
    },
    mark(marks) {
      const touched = marked ? [...keysOf(marked), ...keysOf(marks)] : elements.keys();
      for (const key of new Set(touched)) {
        const token = elements.get(key);
        if (token) markToken(token, key, marks);
      }
      if (!marked || marked.primary !== marks.primary) keepOneTabStop(node);
      marked = marks;
    },
  };
}

type Groups = Joined<HTMLElement, StripSection, HTMLElement | null, unknown>;

function renderTokens(groups: Groups): void {
  const words = groups
    .selectAll<HTMLElement, Word>(".word")
    .data(
      (section) => wordsOf(section.tokens),
      (word) => word.key,
    )
    .join((enter) => enter.append("span").attr("class", "word").attr("role", "presentation"));
  const tokens = words
    .selectAll<HTMLElement, StripToken>(".token")
    .data(
      (word) => word.tokens,
      (token) => token.key,
    )
    .join((enter) => enter.append("span").each(enterToken));
  tokens
    .attr("class", tokenClass)
    .attr("aria-label", (token) => token.label)
    .each(updateToken);
  words.filter((word) => endsLine(word)).classed("ends-line", true);
  words.filter((word) => lengthOf(word) > LONG).classed("is-long", true);
}

function wordsOf(tokens: readonly StripToken[]): Word[] {
  const words: Word[] = [];
  for (const token of tokens) {
    const last = words.at(-1);
    if (last?.tokens[0]?.word === token.word) last.tokens.push(token);
    else words.push({ key: `w${token.key}`, tokens: [token] });
  }
  return words;
}

/** Letters that a narrow line may not hold. */
const LONG = 30;
const lengthOf = ({ tokens }: Word) => tokens.reduce((sum, { text }) => sum + text.length, 0);

const endsLine = (word: Word) => word.tokens.at(-1)?.text.includes("\n") ?? false;

function enterToken(this: HTMLElement, token: StripToken): void {
  const span = select(this).attr("role", "option").attr("tabindex", -1);
  span.attr("aria-selected", "false");
  span.attr("data-key", token.key);
  const text = span.append("bdi").attr("class", "token-text");
  const parts = token.text ? visibleParts(token.text) : [{ text: token.piece, kind: "control" }];
  for (const part of parts) {
    if (part.kind === "text") text.node()?.append(part.text);
    else text.append("span").attr("class", `glyph glyph-${part.kind}`).text(part.text);
  }
}

function tokenClass(this: HTMLElement, token: StripToken): string {
  const marked = [...this.classList].filter((name) => name.startsWith("is-"));
  const kinds = [token.target && "target", token.joined && "joined", token.ribbon && "ribboned"];
  if (token.against) kinds.push("against");
  return ["token", token.state, ...marked, ...kinds.filter(Boolean)].join(" ");
}

/** The band is drawn by the token's own background: hundreds of tokens, no further elements. */
function updateToken(this: HTMLElement, token: StripToken): void {
  this.style.backgroundColor = token.fill ?? "";
  this.style.color = token.ink ?? "";
  this.classList.toggle("banded", token.band !== null);
  this.style.setProperty("--ribbon", percent(token.ribbon?.share ?? 0));
  this.style.setProperty("--ribbon-colour", token.ribbon?.colour ?? "");
  if (token.badge) this.dataset.badge = token.badge;
  else delete this.dataset.badge;
  const { low, high, zero } = token.band ?? { low: 0, high: 0, zero: 0 };
  this.style.setProperty("--low", percent(low));
  this.style.setProperty("--high", percent(Math.max(high, low + 0.02)));
  this.style.setProperty("--zero", percent(zero));
}

const percent = (share: number) => `${(100 * share).toFixed(2)}%`;

function keysOf({ hover, primary, pinned, set }: StripMarks): number[] {
  return [primary, pinned, ...hover, ...set].filter((key) => key !== null);
}

function markToken(token: HTMLElement, key: number, marks: StripMarks): void {
  const primary = key === marks.primary;
  token.classList.toggle("is-hover", marks.hover.has(key));
  token.classList.toggle("is-primary", primary);
  token.classList.toggle("is-pinned", key === marks.pinned);
  token.classList.toggle("is-set", marks.set.has(key));
  token.setAttribute("aria-selected", String(primary || marks.set.has(key)));
}

const tokensIn = (list: HTMLElement) => [...list.querySelectorAll<HTMLElement>(".token")];
const keyOf = (token: HTMLElement) => Number(token.dataset.key);

/** The primary token can be tabbed to; without one, the first. */
function keepOneTabStop(list: HTMLElement): void {
  const tokens = tokensIn(list);
  const stop = tokens.find((token) => token.classList.contains("is-primary")) ?? tokens[0];
  for (const token of tokens) {
    const wanted = token === stop ? 0 : -1;
    if (token.tabIndex !== wanted) token.tabIndex = wanted;
  }
}

function tokenAt(event: Event): HTMLElement | null {
  return (event.target as Element).closest<HTMLElement>(".token");
}

function listen(list: HTMLElement, handlers: StripHandlers): void {
  let anchor: number | null = null;
  const primaryKey = () => {
    const primary = list.querySelector<HTMLElement>(".token.is-primary");
    return primary ? keyOf(primary) : null;
  };
  list.addEventListener("pointerdown", (event) => {
    const token = tokenAt(event);
    if (!token || event.button !== 0) return;
    if (event.pointerType === "mouse" && !event.shiftKey) anchor = keyOf(token);
  });
  list.addEventListener("pointerover", (event) => {
    const token = tokenAt(event);
    handlers.hover(token ? keyOf(token) : null);
    if (token && anchor !== null && event.buttons === 1 && anchor !== keyOf(token)) {
      handlers.extend(anchor, keyOf(token));
    }
  });
  list.addEventListener("pointerleave", () => handlers.hover(null));
  list.addEventListener("click", (event) => {
    const token = tokenAt(event);
    const from = event.shiftKey ? primaryKey() : null;
    if (!token) return;
    const dragged = anchor !== null && anchor !== keyOf(token);
    anchor = null;
    if (from !== null) handlers.extend(from, keyOf(token));
    else if (!dragged) handlers.choose(keyOf(token));
  });
  list.addEventListener("keydown", (event) => moveByKey(list, event, handlers));
}

function moveByKey(list: HTMLElement, event: KeyboardEvent, handlers: StripHandlers): void {
  const from = tokenAt(event);
  const key = plainKey(event);
  if (!from || key === null) return;
  const to = key === "Enter" || key === " " ? from : neighbour(list, from, key);
  if (!to) return;
  event.preventDefault();
  if (event.shiftKey && to !== from) handlers.extend(keyOf(from), keyOf(to));
  else handlers.choose(keyOf(to));
  to.focus();
}

function neighbour(list: HTMLElement, from: HTMLElement, key: string): HTMLElement | null {
  const tokens = tokensIn(list);
  const at = tokens.indexOf(from);
  if (key === "ArrowLeft") return tokens[at - 1] ?? null;
  if (key === "ArrowRight") return tokens[at + 1] ?? null;
  if (key === "Home") return tokens[0] ?? null;
  if (key === "End") return tokens.at(-1) ?? null;
  if (key === "ArrowUp") return nearestInLine(tokens.slice(0, at).reverse(), from);
  return key === "ArrowDown" ? nearestInLine(tokens.slice(at + 1), from) : null;
}

/** The token above or below: in the next line that differs, the one nearest in x. */
function nearestInLine(candidates: HTMLElement[], from: HTMLElement): HTMLElement | null {
  const line = candidates.find((token) => token.offsetTop !== from.offsetTop)?.offsetTop;
  const inLine = candidates.filter((token) => token.offsetTop === line);
  const distance = (token: HTMLElement) => Math.abs(token.offsetLeft - from.offsetLeft);
  return inLine.reduce<HTMLElement | null>(
    (best, token) => (best && distance(best) <= distance(token) ? best : token),
    null,
  );
}
