// What a run is about, in one line: its prompt or question, else what was set.

export function textOf(params: Record<string, unknown>): string {
  const text = params.prompt ?? (params.question || null);
  if (text !== null && text !== undefined) return String(text);
  const set = Object.entries(params).filter(([name]) => SHOWN.includes(name));
  return set.map(([name, value]) => `${name} ${String(value)}`).join(" · ");
}

const SHOWN = ["kind", "scene"];
