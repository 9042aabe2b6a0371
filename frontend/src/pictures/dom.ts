// Elements from data; every text goes in as text.

import type { ViewContext } from "../view/view";
import { visibleParts } from "./glyphs";

type Child = Node | string | null | false;

export function element(name: string, attributes: Record<string, string>, ...children: Child[]) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(
    ...children.filter((child): child is Node | string => child !== null && child !== false),
  );
  return node;
}

export function button(text: string, press: () => void, attributes: Record<string, string> = {}) {
  const node = element("button", { type: "button", ...attributes }, text);
  node.addEventListener("click", press);
  return node;
}

/** Writes a live region only where its text differs: the same sentence again would be read again. */
export function say(region: HTMLElement, text: string): void {
  if (region.textContent !== text) region.textContent = text;
}

/** A token's text, isolated from its surroundings, with what is invisible made visible. */
export function tokenText(text: string): HTMLElement {
  const node = element("bdi", { class: "token-text" });
  for (const part of visibleParts(text)) {
    const plain = part.kind === "text";
    node.append(
      plain ? part.text : element("span", { class: `glyph glyph-${part.kind}` }, part.text),
    );
  }
  return node;
}

/** The same within a sentence, where ":" or "→" would read as the sentence's own. */
export const quotedToken = (text: string) => element("span", {}, "“", tokenText(text), "”");

/** Radio buttons in a row; `changed` gets the chosen value. */
export function segmented<Value extends string>(
  { prefix }: Pick<ViewContext, "prefix">,
  label: string,
  values: readonly Value[],
  changed: (value: Value) => void,
): { node: HTMLElement; choose(value: Value): void } {
  const name = `${prefix}segmented-${label.toLowerCase().replaceAll(" ", "-")}`;
  const inputs = values.map((value) => {
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name, value });
    input.addEventListener("change", () => changed(value));
    return input;
  });
  const labels = inputs.map((input, i) => {
    const text = element("span", {}, values[i] ?? "");
    return element("label", {}, input, text);
  });
  const node = element(
    "div",
    { class: "segmented", role: "radiogroup", "aria-label": label },
    ...labels,
  );
  const choose = (value: Value) =>
    inputs.forEach((input) => (input.checked = input.value === value));
  return { node, choose };
}

/** A list of names and values. */
export function facts(pairs: readonly (readonly [string, Child])[]): HTMLElement {
  const parts = pairs.flatMap(([name, value]) => [
    element("dt", {}, name),
    element("dd", {}, value),
  ]);
  return element("dl", { class: "facts" }, ...parts);
}
