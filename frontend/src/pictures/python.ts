// "Copy as Python": the call that gives the same numbers in a notebook.

import { equal } from "../form/schema";
import type { RunFacts } from "../view";

/** Params that differ from their default, which is what the call needs. */
export function changedParams(facts: RunFacts): Record<string, unknown> {
  const entries = Object.entries(facts.params);
  return Object.fromEntries(entries.filter(([name, value]) => !equal(value, facts.defaults[name])));
}

export function toPython(facts: RunFacts): string {
  const params = Object.entries(changedParams(facts)).map(
    ([name, value]) => `    ${literal(name)}: ${literal(value)},\n`,
  );
  const call = `analysis.run(${literal(facts.method)}, model=${literal(facts.model)}, params={\n`;
  return `import analysis\n\nfor event in ${call}${params.join("")}}):\n    print(event)\n`;
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
