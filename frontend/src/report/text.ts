import { renderNote } from "../base/card";
import { element } from "../pictures/dom";

/** Markdown as nodes; what cannot be read as Markdown is shown as it was written. */
export function renderText(text: string): HTMLElement | null {
  if (!text.trim()) return null;
  const node = element("div", { class: "card-text", dir: "auto" });
  const read = renderNote(text);
  if (read) node.append(read);
  else {
    node.textContent = text;
    node.classList.add("plain");
    node.tabIndex = 0; // it scrolls
  }
  return node;
}
