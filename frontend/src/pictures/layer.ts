// Parts of an SVG picture that are there once, however often it is drawn.

import type { Selection as Joined } from "d3-selection";

export type Group = Joined<SVGGElement, unknown, null, undefined>;

/** The group of that class inside `group`. */
export function layer(group: Group, name: string): Group {
  const found = group.selectAll<SVGGElement, null>(`g.${name}`).data([null]);
  return found.join("g").attr("class", name) as unknown as Group;
}

export interface Words {
  x: number;
  y: number;
  size: number;
  ink: string;
}

/** The one text of that class. */
export function words(group: Group, name: string, text: string, { x, y, size, ink }: Words) {
  const found = group.selectAll<SVGTextElement, string>(`text.${name}`).data([text]);
  const label = found.join("text").attr("class", name).attr("x", x).attr("y", y);
  return label.attr("font-size", size).attr("fill", ink).text(text);
}
