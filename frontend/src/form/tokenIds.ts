// Tokens named by their ids: #12, or #12 #40 where several are meant.

const IDS = /^\s*#\d{1,8}(?:\s*,?\s*#\d{1,8})*\s*$/;

export type Given = string | number | number[];

/** What a typed text means: ids, where it is nothing but numbers of tokens. */
export function readGiven(text: string, many: boolean): Given {
  if (!IDS.test(text)) return text;
  const ids = (text.match(/\d+/g) ?? []).map(Number);
  const [only] = ids;
  if (many) return ids;
  return ids.length === 1 && only !== undefined ? only : text;
}

/** The text of a value in its input. */
export function showGiven(value: unknown): string {
  if (typeof value === "number") return `#${value}`;
  if (Array.isArray(value)) return value.map((id) => `#${id}`).join(" ");
  return typeof value === "string" ? value : "";
}
