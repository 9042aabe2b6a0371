// From a token of a trace to the form of the method that explains a target: which input tokens it
// depends on.

import { address } from "../base/address";
import type { Method, Model } from "../net/api";
import { serves } from "../base/capability";
import { mostTokens, namesOf } from "../form/roles";
import type { Explained } from "../view/view";

/** The run whose token is explained. */
export interface Source {
  method: Method | undefined;
  model: string;
  params: Record<string, unknown>;
}

/** The method that explains a target, and what it calls the params to fill. */
function explainer(methods: readonly Method[]) {
  for (const method of methods) {
    const [prompt, continuation, target] = ["prompt", "continuation", "target"].map(
      (role) => namesOf(method, role)[0],
    );
    if (prompt && continuation && target) return { method, prompt, continuation, target };
  }
  return null;
}

/** How the run reads its prompt. */
function readingOf({ method, params }: Source): Record<string, unknown> {
  const names = namesOf(method, "chat", "special_tokens");
  return Object.fromEntries(names.map((name) => [name, params[name]]));
}

const valueOf = ({ method, params }: Source, role: string) =>
  params[namesOf(method, role)[0] ?? ""];

/**
 * The address of the filled form. A model that cannot be explained is replaced by the first that
 * can: the text is the same, the reader is another, so the link has to name it.
 */
export function explainAddress(
  source: Source,
  { output }: Explained,
  methods: readonly Method[],
  models: readonly Model[],
): { href: string; model: string } | null {
  const found = explainer(methods);
  if (!found || output.length === 0) return null;
  const { method, ...names } = found;
  const able = (one: Model) => serves(method, one);
  const known = models.find((one) => one.id === source.model);
  const reader = !known || able(known) ? source.model : models.find(able)?.id;
  if (!reader) return null;
  const kept = Math.min(output.length, mostTokens(method, names.continuation));
  const textOf = (tokens: Explained["output"]) => tokens.map(({ text }) => text).join("");
  const before = textOf(output.slice(0, -kept)); // what is too long for an output
  const rest = output.slice(-kept);
  if (before && valueOf(source, "chat")) return null; // a chat's prompt ends where the answer begins
  const params = {
    ...readingOf(source),
    [names.prompt]: String(valueOf(source, "prompt") ?? "") + before,
    // To the model that wrote them tokens go as they are; another reads their text.
    [names.continuation]: reader === source.model ? rest.map(({ id }) => id) : textOf(rest),
    [names.target]: kept - 1,
  };
  const query = new URLSearchParams({
    method: method.stem,
    model: reader,
    params: JSON.stringify(params),
  });
  return { href: address(`/?${query}`), model: reader };
}
