// A stand-alone SVG: its own background, fonts and colours, so that it looks the same anywhere.

import { select, type Selection as Joined } from "d3-selection";
import type { Theme } from "../theme";
import type { RunFacts } from "../view";
import { PALETTES } from "./colour";
import { legible } from "./glyphs";
import { provenance } from "./provenance";

export interface Sheet {
  svg: SVGSVGElement;
  /** Where the picture is drawn, inside the margin and below the title. */
  body: Joined<SVGGElement, unknown, null, undefined>;
  /** Sets the size and writes the provenance below the picture. */
  finish(width: number, height: number): SVGSVGElement;
}

const MARGIN = 16;
const TITLE = 28;
const LINE = 14;
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
  sheet
    .append("text")
    .attr("x", MARGIN)
    .attr("y", MARGIN + 14)
    .attr("font-weight", 600)
    .attr("fill", inkOf(theme))
    .text(title);
  const body = sheet
    .append("g")
    .attr("transform", `translate(${MARGIN},${MARGIN + TITLE})`)
    .attr("fill", inkOf(theme));
  return { svg, body, finish };

  function finish(width: number, height: number): SVGSVGElement {
    const lines = wrap(legible(provenance(facts)), Math.max(40, Math.floor(width / 5.6)));
    const below = MARGIN + TITLE + height + 2 * LINE;
    lines.forEach((line, i) =>
      sheet
        .append("text")
        .attr("x", MARGIN)
        .attr("y", below + i * LINE)
        .attr("font-size", 10.5)
        .attr("fill", mutedOf(theme))
        .text(line),
    );
    const full = {
      width: Math.ceil(width + 2 * MARGIN),
      height: Math.ceil(below + lines.length * LINE),
    };
    paper.attr("width", full.width).attr("height", full.height);
    sheet.attr("width", full.width).attr("height", full.height);
    sheet.attr("viewBox", `0 0 ${full.width} ${full.height}`);
    return svg;
  }
}

export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < columns) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
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
