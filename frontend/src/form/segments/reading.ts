// Documents from a text or a file: paragraphs, or a JSON list with scores.

import type { Segment } from "./documents";

/** Why a text cannot be read as documents, and what can be done about it. */
export class BadDocuments extends Error {
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}

export interface Limits {
  segments: number;
  characters: number;
}

/** Bytes. */
export const LARGEST_FILE = 4_000_000;

const FORM = 'Write a list: ["text", {"text": "…", "score": 0.7}].';

/** Segments with ids from 1 on. Throws BadDocuments naming item, value and limit. */
export function readDocuments(text: string, limits: Limits): Segment[] {
  const found = /^\s*[[{]/.test(text) ? readList(text) : readParagraphs(text);
  if (found.length === 0) {
    throw new BadDocuments("There is no document in it.", "Separate documents by blank lines.");
  }
  if (found.length > limits.segments) {
    throw new BadDocuments(
      `${found.length} documents; at most ${limits.segments}.`,
      "Leave out those that matter least, or join some.",
    );
  }
  const segments = found.map((one, at) => ({ id: String(at + 1), ...one }));
  for (const segment of segments) checkLength(segment, limits.characters);
  return segments;
}

type Found = Omit<Segment, "id">;

function readParagraphs(text: string): Found[] {
  const parts = text.split(/\r?\n(?:[^\S\n]*\r?\n)+/).map((part) => part.trim());
  return parts.filter(Boolean).map((part) => ({ text: part, score: null }));
}

function readList(text: string): Found[] {
  const read = parsed(text);
  if (!Array.isArray(read)) throw new BadDocuments("The JSON is no list.", FORM);
  return read.map(itemOf);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 160) : "";
    throw new BadDocuments(`The JSON cannot be read: ${reason}.`, FORM);
  }
}

const KNOWN = ["text", "score"];

function itemOf(item: unknown, at: number): Found {
  const name = `Document ${at + 1}`;
  if (typeof item === "string") return { text: checkedText(item, name), score: null };
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    throw new BadDocuments(`${name} is ${short(item)}.`, FORM);
  }
  const { text, score = null } = item as Record<string, unknown>;
  const strange = Object.keys(item).find((key) => !KNOWN.includes(key));
  if (strange !== undefined) {
    throw new BadDocuments(`${name} has ${short(strange)}; known are text and score.`, FORM);
  }
  if (typeof text !== "string") throw new BadDocuments(`${name}: text is ${short(text)}.`, FORM);
  if (score !== null && !(typeof score === "number" && Number.isFinite(score))) {
    throw new BadDocuments(`${name}: score is ${short(score)}.`, "A score is a number, or null.");
  }
  return { text: checkedText(text, name), score };
}

const short = (value: unknown) => (JSON.stringify(value) ?? "missing").slice(0, 60);

function checkedText(text: string, name: string): string {
  if (text.trim() === "") throw new BadDocuments(`${name} is empty.`, "Leave it out.");
  return text;
}

function checkLength({ id, text }: Segment, most: number): void {
  const characters = [...text].length;
  if (characters <= most) return;
  const [long, limit] = [characters, most].map((count) => count.toLocaleString("en"));
  throw new BadDocuments(`Document ${id} has ${long} characters; at most ${limit}.`, "Split it.");
}
