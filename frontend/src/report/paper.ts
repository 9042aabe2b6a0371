// Pictures as they leave the page, in the place of those on the screen: whole, and as wide as paper.

import { sourceOf } from "../pictures/figure";
import { drawOutPatterns } from "./patterns";

const REFERENCE = /url\(#([^)"']+)\)/g;

/** Draws each figure of the root for paper; without a picture its table is what prints. */
export function drawForPaper(root: Element, prefix: string): void {
  for (const [number, figure] of figuresOf(root).entries()) {
    figure.querySelector(":scope > .on-paper")?.remove();
    const drawn = sourceOf(figure)?.svg?.();
    if (!drawn) continue;
    drawOutPatterns(drawn);
    withOwnIds(drawn, `${prefix}paper-${number}-`);
    drawn.classList.add("on-paper");
    drawn.setAttribute("role", "img");
    figure.append(drawn);
  }
}

export const figuresOf = (root: Element) => [
  ...root.querySelectorAll<HTMLElement>("figure[data-figure]:not([hidden])"),
];

/** Pictures on one page must not take each other's patterns. */
function withOwnIds(picture: SVGSVGElement, prefix: string): void {
  for (const node of [picture, ...picture.querySelectorAll("*")]) {
    if (node.id) node.id = prefix + node.id;
    for (const { name, value } of node.attributes) {
      if (value.includes("url(#"))
        node.setAttribute(name, value.replace(REFERENCE, `url(#${prefix}$1)`));
    }
  }
}
