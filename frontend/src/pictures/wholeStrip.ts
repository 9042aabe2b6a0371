// A strip of a text that is shown whole, wrapping as text.

import { select, type Selection as Joined } from "d3-selection";
import {
  enterToken,
  identityOf,
  keyOf,
  markToken,
  tokenClass,
  updateToken,
  wordsOf,
  type StripMarks,
  type StripSection,
  type StripToken,
  type Word,
} from "./stripToken";

/** How a strip's list is drawn, and where keys lead on it. */
export interface StripDrawing {
  /** Of the tokens that are drawn, by their keys. */
  elements(): ReadonlyMap<number, HTMLElement>;
  render(sections: StripSection[]): void;
  mark(marks: StripMarks): void;
  /** What a key moves to from the element that has the focus; null: nothing. */
  step(from: HTMLElement, key: string): HTMLElement | null;
  clear(): void;
}

export function createWholeStrip(node: HTMLElement, drawn: () => void): StripDrawing {
  /** The marks on the elements; null: they were drawn since, so all are checked. */
  let marked: StripMarks | null = null;
  let elements = new Map<number, HTMLElement>();
  return {
    elements: () => elements,
    render(sections) {
      const groups = select(node)
        .selectAll<HTMLElement, StripSection>(".strip-section")
        .data(sections, (section) => section.label)
        .join((enter) => enter.append("div").attr("class", "strip-section").attr("role", "group"));
      groups.attr("aria-label", (section) => section.label);
      renderTokens(groups);
      keepOneTabStop(node);
      marked = null;
      elements = new Map(tokensIn(node).map((token) => [keyOf(token), token]));
      drawn();
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
    step: (from, key) => neighbour(node, from, key),
    clear: () => node.replaceChildren(),
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
    .data((word) => word.tokens, identityOf)
    .join((enter) => enter.append("span").each(enterToken));
  tokens
    .attr("class", tokenClass)
    .attr("aria-label", (token) => token.label)
    .each(updateToken);
  words.classed("ends-line", endsLine).classed("is-long", (word) => lengthOf(word) > LONG);
}

/** Letters that a narrow line may not hold. */
const LONG = 30;
const lengthOf = ({ tokens }: Word) => tokens.reduce((sum, { text }) => sum + text.length, 0);

const endsLine = (word: Word) => word.tokens.at(-1)?.text.includes("\n") ?? false;

function keysOf({ hover, primary, pinned, set }: StripMarks): number[] {
  return [primary, pinned, ...hover, ...set].filter((key) => key !== null);
}

const tokensIn = (list: HTMLElement) => [...list.querySelectorAll<HTMLElement>(".token")];

/** The primary token can be tabbed to; without one, the first. */
function keepOneTabStop(list: HTMLElement): void {
  const tokens = tokensIn(list);
  const stop = tokens.find((token) => token.classList.contains("is-primary")) ?? tokens[0];
  for (const token of tokens) {
    const wanted = token === stop ? 0 : -1;
    if (token.tabIndex !== wanted) token.tabIndex = wanted;
  }
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
