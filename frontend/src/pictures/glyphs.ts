// Text with everything visible that would otherwise hide: spaces, line ends, control characters
// and the marks that turn the direction of writing.

export interface Part {
  text: string;
  kind: "text" | "space" | "newline" | "control";
}

const GLYPHS: Record<string, Part> = {
  " ": { text: "·", kind: "space" },
  "\t": { text: "⇥", kind: "space" },
  "\n": { text: "↵", kind: "newline" },
  "\r": { text: "␍", kind: "space" },
  "\u00a0": { text: "⍽", kind: "space" },
};

const HIDDEN =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;

export function visibleParts(text: string): Part[] {
  const parts: Part[] = [];
  for (const character of text) {
    const part = GLYPHS[character] ?? partOf(character);
    const last = parts.at(-1);
    if (part.kind === "text" && last?.kind === "text") last.text += part.text;
    else parts.push({ ...part });
  }
  return parts;
}

function partOf(character: string): Part {
  return HIDDEN.test(character)
    ? { text: codePoint(character), kind: "control" }
    : { text: character, kind: "text" };
}

function codePoint(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** The same as one string, for pictures and tables that hold plain text. */
export function visible(text: string): string {
  return visibleParts(text)
    .map((part) => part.text)
    .join("");
}

/** In a sentence: quoted, since many tokens are signs that a sentence has itself. */
export const quoted = (text: string) => `“${visible(text)}”`;

/** For screen readers: words rather than glyphs. */
export function spoken(text: string): string {
  if (text === "") return "empty";
  if (text.trim() === "") return text.includes("\n") ? "line end" : "space";
  return legible(text.trim());
}

/** Spaces as they are, all else that hides made visible: for sentences of our own. */
export function legible(text: string): string {
  const words = visibleParts(text).map((part) => (part.kind === "space" ? " " : part.text));
  return words.join("");
}
