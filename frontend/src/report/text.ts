import { renderCard } from "../card";
import { element } from "../pictures/dom";

/** Beyond it a reader of Markdown may take seconds: some texts take it quadratic time. */
const LONGEST_MARKDOWN = 20_000;

/** Markdown as nodes; a text that is too long for that as it was written. */
export function renderText(text: string): HTMLElement | null {
  if (!text.trim()) return null;
  const node = element("div", { class: "card-text", dir: "auto" });
  if (text.length > LONGEST_MARKDOWN) {
    node.classList.add("plain");
    node.textContent = text;
  } else node.append(renderCard(text));
  return node;
}
