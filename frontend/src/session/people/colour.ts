// The colours that people have, by name: how one looks in each theme is the style sheet's matter,
// and no style ever comes from another browser.

export const COLOURS = [
  "blue",
  "orange",
  "teal",
  "violet",
  "olive",
  "magenta",
  "brown",
  "slate",
] as const;
export type PersonColour = (typeof COLOURS)[number];

export const asColour = (name: unknown): PersonColour =>
  COLOURS.find((colour) => colour === name) ?? "slate";

/** The same person gets the same colour where nobody else has it already. */
export function pickColour(id: string, taken: readonly PersonColour[]): PersonColour {
  const start = hash(id) % COLOURS.length;
  const around = COLOURS.map((_, step) => COLOURS[(start + step) % COLOURS.length] ?? "blue");
  return around.find((colour) => !taken.includes(colour)) ?? around[0] ?? "blue";
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text))
    value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

/** Two letters at most: of the first and the last word. */
export function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : words;
  const letters = chosen.map((word) => Array.from(word ?? "")[0] ?? "").join("");
  return letters.toLocaleUpperCase() || "?";
}
