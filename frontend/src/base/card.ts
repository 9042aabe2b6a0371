// A model card from Markdown. Loaded when one is shown, so that no other page waits for it.

import DOMPurify from "dompurify";
import { Marked, type MarkedExtension } from "marked";

const TAGS = [
  "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
  "pre", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
]; // prettier-ignore

const OPTIONS: MarkedExtension = {
  gfm: true,
  async: false,
  // The page has its own first two levels of headings.
  walkTokens: (token) => {
    if (token.type === "heading") token.depth = Math.min(6, Number(token.depth) + 2);
  },
};
const cards = new Marked(OPTIONS);
const notes = new Marked(OPTIONS, { renderer: { html: ({ text }) => escaped(text) } });

/** A reader of Markdown may take seconds beyond it. */
const LONGEST_NOTE = 20_000;
/** Quotes and lists so deep in each other that reading them takes minutes, or the whole stack. */
const DEEP = /^(?:[ \t]*(?:>|(?:[-*+]|\d{1,9}[.)])(?=[ \t]))){20}/m;
/** Emphasis is looked for in a paragraph as a whole, in the square of its length. */
const LONGEST_PARAGRAPH = 10_000;
const TABLE = /^\|[^\n]*(?:\n\|[^\n]*)*$/;

/**
 * Safe nodes for a card: text, tables and links alone; no pictures, styles, forms or scripts.
 * null: too deep, or in too long a piece, to be read.
 */
export function renderCard(markdown: string): DocumentFragment | null {
  if (DEEP.test(markdown) || markdown.split(/\n[ \t]*\n/).some(isTooLong)) return null;
  return cleaned(cards.parse(markdown) as string);
}

/** The same for what somebody wrote here: tags are text. null: too long or too deep to be read. */
export function renderNote(markdown: string): DocumentFragment | null {
  if (markdown.length > LONGEST_NOTE || DEEP.test(markdown)) return null;
  return cleaned(notes.parse(markdown) as string);
}

function isTooLong(paragraph: string): boolean {
  return paragraph.length > LONGEST_PARAGRAPH && !TABLE.test(paragraph.trim());
}

function cleaned(html: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href"],
    ALLOWED_URI_REGEXP: /^https?:/i,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const link of fragment.querySelectorAll("a")) link.rel = "noreferrer nofollow";
  for (const table of fragment.querySelectorAll("table")) frame(table);
  return fragment;
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string) => text.replace(/[&<>"]/g, (sign) => ENTITIES[sign] ?? sign);

/** A wide table scrolls by itself, with the keyboard too. */
function frame(table: HTMLTableElement): void {
  const box = document.createElement("div");
  box.className = "wide-table";
  box.tabIndex = 0;
  box.role = "group";
  box.ariaLabel = "Table";
  table.replaceWith(box);
  box.append(table);
}
