// Every figure as files, written into the page for the program that opened it with #figures.

import { paint, toCsv, toSvg } from "../pictures/export";
import { sourceOf, type FigureSource } from "../pictures/figure";
import type { FigureFiles } from "../gen/report";
import { figuresOf } from "./paper";

/** In order. The page counts as loading as long as pictures are painted. */
export async function filesOf(root: Element, panel: string): Promise<FigureFiles[]> {
  const files: FigureFiles[] = [];
  for (const figure of figuresOf(root)) {
    const source = sourceOf(figure);
    if (source) files.push({ panel, ...namesOf(figure), ...(await picturesOf(source)) });
  }
  return files;
}

const namesOf = (figure: HTMLElement) => ({
  stem: figure.dataset.figure ?? "",
  title: figure.querySelector("h2, h3")?.textContent ?? "",
});

async function picturesOf(source: FigureSource) {
  const csv = toCsv(source.table());
  const picture = source.svg?.();
  if (!picture) return { csv, svg: null, png: null };
  return { csv, svg: toSvg(picture), png: await pngOf(picture) };
}

const PNG = "data:image/png;base64,";

/** In base64; null: too large for a canvas. */
async function pngOf(picture: SVGSVGElement): Promise<string | null> {
  const address = (await paint(picture)).toDataURL("image/png");
  return address.startsWith(PNG) ? address.slice(PNG.length) : null;
}

/** Leaves nothing in the page but the files. */
export function writeFiles(page: Document, files: FigureFiles[]): void {
  const node = page.createElement("script");
  node.type = "application/json";
  node.id = "figures";
  node.textContent = JSON.stringify(files).replaceAll("<", "\\u003c");
  page.body.replaceChildren(node);
}
