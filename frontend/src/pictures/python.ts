// "Copy as Python": the call that gives the same numbers in a notebook.

import { equal } from "../base/equal";
import type { RunFacts } from "../view/view";

/** Params that differ from their default, which is what the call needs. */
export function changedParams(facts: RunFacts): Record<string, unknown> {
  const entries = Object.entries(facts.params);
  return Object.fromEntries(entries.filter(([name, value]) => !equal(value, facts.defaults[name])));
}

/** Uploaded pictures are the only params that are hashes of content. */
const PICTURE = /^[0-9a-f]{64}$/;

export function toPython(facts: RunFacts): string {
  const changed = Object.entries(changedParams(facts));
  const pictures = changed.map(([, value]) => String(value)).filter((text) => PICTURE.test(text));
  const params = changed.map(([name, value]) => `    ${literal(name)}: ${literal(value)},\n`);
  const call = `analysis.run(${literal(facts.method)}, model=${literal(facts.model)}, params={\n`;
  const rest =
    (pictures.length ? ", pictures=pictures" : "") +
    (facts.dtype === "auto" ? "" : `, dtype=${literal(facts.dtype)}`);
  return (
    (pictures.length ? reading(pictures) : "import analysis\n\n") +
    `for event in ${call}${params.join("")}}${rest}):\n    print(event)\n`
  );
}

/** A picture is read from the file that the page gives of it. */
function reading(pictures: readonly string[]): string {
  const files = pictures.map((hash) => literal(`${hash}.png`)).join(", ");
  return [
    "from pathlib import Path",
    "",
    "import analysis",
    "from analysis.images.files import pictures_by_hash, read_picture",
    "",
    ...pictures.map((hash) => `# /api/pictures/${hash}.png`),
    `files = [${files}]`,
    "pictures = pictures_by_hash(*(read_picture(Path(file).read_bytes()) for file in files))",
    "",
    "",
  ].join("\n");
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return escapeHidden(JSON.stringify(value));
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return String(value);
  const entries = Object.entries(value).map(([name, part]) => `${literal(name)}: ${literal(part)}`);
  return `{${entries.join(", ")}}`;
}

/** JSON leaves direction marks as they are; in code they would turn what the reader sees. */
function escapeHidden(text: string): string {
  const hidden = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
  return text.replace(hidden, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
