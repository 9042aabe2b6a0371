// A self-contained SVG: its own background, fonts and colours, so that it looks the same anywhere.

import { select, type Selection as Joined } from "d3-selection";
import type { Theme } from "../base/theme";
import type { RunFacts } from "../view/view";
import { PALETTES } from "./colour";
import { legible } from "./glyphs";
import { checkWarning, provenance } from "./provenance";

export interface Sheet {
  svg: SVGSVGElement;
  /** Where the picture is drawn, inside the margin and below the title. */
  body: Group;
  /** Sets the size and writes the provenance below the picture. */
  finish(width: number, height: number): SVGSVGElement;
}

type Group = Joined<SVGGElement, unknown, null, undefined>;

const MARGIN = 16;
const TITLE = 28;
const LINE = 14;
const NARROWEST = 240; // of a title or a source line that can still be read
export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

export const inkOf = (theme: Theme) => (theme === "dark" ? "#e6e9ef" : "#1a1f29");
export const mutedOf = (theme: Theme) => (theme === "dark" ? "#a3acba" : "#566070");
export const ruleOf = (theme: Theme) => (theme === "dark" ? "#343b47" : "#d5dae2");

const SVG = "http://www.w3.org/2000/svg";

export function createSheet(title: string, theme: Theme, facts: RunFacts): Sheet {
  const svg = document.createElementNS(SVG, "svg");
  const sheet = select(svg).attr("font-family", FONT).attr("font-size", 13);
  sheet.append("title").text(title);
  const paper = sheet.append("rect").attr("fill", PALETTES[theme].background);
  const head = sheet.append("g").attr("transform", `translate(${MARGIN},0)`) as Group;
  const body = sheet.append("g").attr("fill", inkOf(theme)) as Group;
  const foot = sheet.append("g") as Group;
  return { svg, body, finish };

  function finish(width: number, height: number): SVGSVGElement {
    const room = Math.max(NARROWEST, Math.ceil(width));
    const titled = { y: MARGIN + 14, width: room, ink: inkOf(theme) };
    const taken = writeLines(head, title, { ...titled, size: 13, pitch: 18, weight: 600 });
    const top = MARGIN + TITLE + taken - 18;
    body.attr("transform", `translate(${MARGIN},${top})`);
    const below = top + height + 2 * LINE;
    foot.attr("transform", `translate(${MARGIN},${below})`);
    const source = legible(provenance(facts));
    const failed = legible(checkWarning(facts));
    const warned = failed
      ? writeLines(foot, failed, { width: room, ink: inkOf(theme), weight: 600 })
      : 0;
    const lines =
      warned + writeLines(foot, source, { y: warned, width: room, ink: mutedOf(theme) });
    const full = { width: room + 2 * MARGIN, height: Math.ceil(below + lines) };
    paper.attr("width", full.width).attr("height", full.height);
    sheet.attr("width", full.width).attr("height", full.height);
    sheet.attr("viewBox", `0 0 ${full.width} ${full.height}`);
    return svg;
  }
}

export interface Lines {
  /** Nothing of the text lies beyond it. */
  width: number;
  x?: number;
  /** Of the first line. */
  y?: number;
  size?: number;
  /** From line to line. */
  pitch?: number;
  weight?: number;
  ink?: string;
}

/** Text below or next to a picture, in as many lines as it takes; returns their height. */
export function writeLines(group: Group, text: string, lines: Lines): number {
  const { x = 0, y = 0, size = 10.5, pitch = LINE, weight = 400, width, ink } = lines;
  const broken = wrap(text, width, size, weight);
  broken.forEach((line, i) => {
    const words = group
      .append("text")
      .attr("x", x)
      .attr("y", y + pitch * i)
      .text(line);
    words.attr("font-size", size).attr("font-weight", weight === 400 ? null : weight);
    if (ink) words.attr("fill", ink);
  });
  return pitch * broken.length;
}

/** Lines no wider than the width; a word that is wider by itself is broken. */
export function wrap(text: string, width: number, size = 10.5, weight = 400): string[] {
  const fits = (line: string) => measure(line, size, weight) <= width;
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && fits(`${last} ${word}`)) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(...broken(word, fits));
  }
  return lines;
}

function broken(word: string, fits: (part: string) => boolean): string[] {
  const parts = [""];
  for (const letter of word) {
    const last = parts.at(-1) ?? "";
    if (last === "" || fits(last + letter)) parts[parts.length - 1] = last + letter;
    else parts.push(letter);
  }
  return parts;
}

let context: CanvasRenderingContext2D | null | undefined;

/** Width of a text in pixels; a guess where there is no canvas. */
export function measure(text: string, size = 13, weight = 400): number {
  context ??= document.createElement("canvas").getContext?.("2d") ?? null;
  if (!context) return text.length * size * (weight > 500 ? 0.6 : 0.55);
  context.font = `${weight} ${size}px ${FONT}`;
  return context.measureText(text).width;
}

/** A text cut to a width, with an ellipsis. */
export function fit(text: string, width: number, size = 13): string {
  if (measure(text, size) <= width) return text;
  const letters = [...text];
  while (letters.length > 1 && measure(`${letters.join("")}…`, size) > width) letters.pop();
  return `${letters.join("")}…`;
}
