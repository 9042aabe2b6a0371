// What a run is about, in one line: its prompt or question, else what was set.

import { namesOf } from "../form/roles";
import { catalog } from "../net/catalog.svelte";

interface Described {
  method: string;
  params: Record<string, unknown>;
}

export function textOf({ method, params }: Described): string {
  const declared = catalog.method(method);
  const texts = namesOf(declared, "prompt", "question").map((name) => params[name] ?? "");
  const text = texts.find((one) => one !== "");
  if (text !== undefined) return String(text);
  const subjects = namesOf(declared, "subject");
  const set = Object.keys(params).filter((name) => subjects.includes(name));
  return set.map((name) => `${name} ${String(params[name])}`).join(" · ");
}

const LONGEST_TITLE = 60;

/** What a browser's tab says of a run: the method's name and the beginning of its text. */
export function titleOf(run: Described): string {
  const title = catalog.method(run.method)?.title ?? run.method;
  const name = title.split(":")[0]?.replace(/\.$/, "") ?? title;
  const text = textOf(run).replace(/\s+/g, " ").trim();
  const short = text.length > LONGEST_TITLE ? `${text.slice(0, LONGEST_TITLE).trimEnd()}…` : text;
  return short ? `${name}: ${short}` : name;
}
