// Figures leaving the page. Nothing of a prompt may act in the program that opens the file.

import { FORMULA_SIGNS } from "../gen/csv";
import type { Cell, Table } from "./table";

/** Quoted, and an apostrophe before whatever a spreadsheet would read as a formula. */
function csvCell(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell !== "string") return String(cell);
  const safe = cell !== "" && FORMULA_SIGNS.includes(cell.charAt(0)) ? `'${cell}` : cell;
  return /[",\n\r]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function toCsv(table: Table): string {
  return [table.columns, ...table.rows].map((row) => row.map(csvCell).join(",")).join("\r\n");
}

export function toJson(data: unknown): string {
  return JSON.stringify(data, null, 1);
}

// What XML cannot hold even escaped: controls, unpaired surrogates, non-characters.
const NOT_XML = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;

/** A complete SVG file; the serializer escapes whatever the tokens hold. */
export function toSvg(picture: SVGSVGElement): string {
  return new XMLSerializer().serializeToString(picture).replace(NOT_XML, "\ufffd");
}

const PNG_SCALE = 2;

export async function toPng(picture: SVGSVGElement): Promise<Blob> {
  const canvas = await paint(picture);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The PNG came out empty."))));
  });
}

/** The picture on a canvas of twice its size; the page counts as loading until then. */
export async function paint(picture: SVGSVGElement): Promise<HTMLCanvasElement> {
  const address = URL.createObjectURL(new Blob([toSvg(picture)], { type: "image/svg+xml" }));
  try {
    const image = await loadImage(address);
    const canvas = document.createElement("canvas");
    canvas.width = PNG_SCALE * Number(picture.getAttribute("width"));
    canvas.height = PNG_SCALE * Number(picture.getAttribute("height"));
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas;
  } finally {
    URL.revokeObjectURL(address);
  }
}

function loadImage(address: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("The browser cannot draw this picture."));
    image.src = address;
  });
}

export function download(name: string, content: Blob | string, type = "text/plain"): void {
  const blob = typeof content === "string" ? new Blob([content], { type }) : content;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
