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

/** Segments, those without an id by their number. Throws BadDocuments naming item and limit. */
export function readDocuments(text: string, limits: Limits): Segment[] {
  const found = segmentsOf(/^\s*[[{]/.test(text) ? parsed(text) : paragraphsOf(text));
  if (found.length === 0) {
    throw new BadDocuments("The input has no documents.", "Separate documents by blank lines.");
  }
  if (found.length > limits.segments) {
    throw new BadDocuments(
      `${found.length} documents; the limit is ${limits.segments}.`,
      "Remove or merge documents.",
    );
  }
  found.forEach((segment, at) => checkText(segment, `Document ${at + 1}`, limits.characters));
  return found;
}

const paragraphsOf = (text: string) =>
  text
    .split(/\r?\n(?:[^\S\n]*\r?\n)+/)
    .map((part) => part.trim())
    .filter(Boolean);

/** Segments of a list from a file or from a run's params. Throws BadDocuments. */
export function segmentsOf(list: unknown): Segment[] {
  if (!Array.isArray(list)) throw new BadDocuments("The JSON is not a list.", FORM);
  const found = list.map(itemOf);
  const ids = found.map(({ id }) => id);
  const twice = ids.find((id, at) => ids.indexOf(id) !== at);
  if (twice === undefined) return found;
  throw new BadDocuments(`The id ${short(twice)} is used twice.`, "Give each document its own id.");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 160) : "";
    throw new BadDocuments(`The JSON is invalid: ${reason}.`, FORM);
  }
}

/** The documents in a run's params, which may be shorter than the form writes them. */
export function givenSegments(value: unknown): Segment[] {
  try {
    return segmentsOf(value);
  } catch (error) {
    if (error instanceof BadDocuments) return [];
    throw error;
  }
}

const KNOWN = ["id", "text", "score"];

function itemOf(item: unknown, at: number): Segment {
  const [number, name] = [String(at + 1), `Document ${at + 1}`];
  if (typeof item === "string") return { id: number, text: item, score: null };
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    throw new BadDocuments(`${name} is ${short(item)}.`, FORM);
  }
  const { id = number, text, score = null } = item as Record<string, unknown>;
  const strange = Object.keys(item).find((key) => !KNOWN.includes(key));
  if (strange !== undefined) {
    throw new BadDocuments(`${name} has ${short(strange)}; known are id, text and score.`, FORM);
  }
  if (typeof id !== "string" || id === "") {
    throw new BadDocuments(`${name}: id is ${short(id)}.`, "An id must be a string.");
  }
  if (typeof text !== "string") throw new BadDocuments(`${name}: text is ${short(text)}.`, FORM);
  if (score !== null && !(typeof score === "number" && Number.isFinite(score))) {
    throw new BadDocuments(
      `${name}: score is ${short(score)}.`,
      "A score must be a number or null.",
    );
  }
  return { id, text, score };
}

const short = (value: unknown) => (JSON.stringify(value) ?? "missing").slice(0, 60);

function checkText({ text }: Segment, name: string, most: number): void {
  if (text.trim() === "") throw new BadDocuments(`${name} is empty.`, "Remove it.");
  const characters = [...text].length;
  if (characters <= most) return;
  const [long, limit] = [characters, most].map((count) => count.toLocaleString("en"));
  throw new BadDocuments(`${name} has ${long} characters; the limit is ${limit}.`, "Split it.");
}
