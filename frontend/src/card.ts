// A model card from Markdown. Loaded when one is shown, so that no other page waits for it.

import DOMPurify from "dompurify";
import { Marked } from "marked";

const TAGS = [
  "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
  "pre", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
]; // prettier-ignore

const marked = new Marked({
  gfm: true,
  async: false,
  // The page has its own first two levels of headings.
  walkTokens: (token) => {
    if (token.type === "heading") token.depth = Math.min(6, Number(token.depth) + 2);
  },
});

/** Safe nodes for a card: text, tables and links alone; no pictures, styles, forms or scripts. */
export function renderCard(markdown: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(marked.parse(markdown) as string, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href"],
    ALLOWED_URI_REGEXP: /^https?:/i,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const link of fragment.querySelectorAll("a")) link.rel = "noreferrer nofollow";
  for (const table of fragment.querySelectorAll("table")) frame(table);
  return fragment;
}

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
