// One token of a strip: what it says, and how its element shows that.

import { select } from "d3-selection";
import { visibleParts } from "./glyphs";

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
  /** Size of its number: a long text folds to the tokens with the largest; absent: it has none. */
  weight?: number;
  /** Tokens of one number, such as a sentence's; absent: its own. */
  unit?: number;
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

/** An element is of one token with one text: another decoder's has another at the same place. */
export const identityOf = ({ key, text, piece }: StripToken) => `${key} ${text || piece}`;

/** Tokens that stay on one line. */
export interface Word {
  key: string;
  tokens: StripToken[];
}

export function wordsOf(tokens: readonly StripToken[]): Word[] {
  const words: Word[] = [];
  for (const token of tokens) {
    const last = words.at(-1);
    if (last?.tokens[0]?.word === token.word) last.tokens.push(token);
    else words.push({ key: `w${token.key}`, tokens: [token] });
  }
  return words;
}

export function enterToken(this: HTMLElement, token: StripToken): void {
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

export function tokenClass(this: HTMLElement, token: StripToken): string {
  const marked = [...this.classList].filter((name) => name.startsWith("is-"));
  const kinds = [token.target && "target", token.joined && "joined", token.ribbon && "ribboned"];
  if (token.against) kinds.push("against");
  return ["token", token.state, ...marked, ...kinds.filter(Boolean)].join(" ");
}

/** The band is drawn by the token's own background: hundreds of tokens, no further elements. */
export function updateToken(this: HTMLElement, token: StripToken): void {
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

export function markToken(token: HTMLElement, key: number, marks: StripMarks): void {
  const primary = key === marks.primary;
  token.classList.toggle("is-hover", marks.hover.has(key));
  token.classList.toggle("is-primary", primary);
  token.classList.toggle("is-pinned", key === marks.pinned);
  token.classList.toggle("is-set", marks.set.has(key));
  token.setAttribute("aria-selected", String(primary || marks.set.has(key)));
}

export const keyOf = (token: HTMLElement) => Number(token.dataset.key);
