// What a run is about, in one line: its prompt or question, else what was set.

export function textOf(params: Record<string, unknown>): string {
  const text = params.prompt ?? (params.question || null);
  if (text !== null && text !== undefined) return String(text);
  const set = Object.entries(params).filter(([name]) => SHOWN.includes(name));
  return set.map(([name, value]) => `${name} ${String(value)}`).join(" · ");
}

const SHOWN = ["kind", "scene"];

const LONGEST_TITLE = 60;

/** What a browser's tab says of a run: the method's name and the beginning of its text. */
export function titleOf(method: string, params: Record<string, unknown>): string {
  const name = method.split(":")[0]?.replace(/\.$/, "") ?? method;
  const text = textOf(params).replace(/\s+/g, " ").trim();
  const short = text.length > LONGEST_TITLE ? `${text.slice(0, LONGEST_TITLE).trimEnd()}…` : text;
  return short ? `${name}: ${short}` : name;
}
