// From a token of a trace to the form for ReAGent: which input tokens it depends on.

import { address } from "../base/address";
import type { Method, Model } from "../net/api";
import { serves } from "../base/capability";
import type { Explained } from "../view/view";

const METHOD = "reagent";
/** ReAGent's limit on output tokens; earlier ones go into the prompt. */
const OUTPUT_TOKENS = 128;

export interface Source {
  model: string;
  prompt: string;
  /** Of the run: how its prompt is read. */
  reading: Record<string, unknown>;
}

/**
 * The address of the filled form. A model that cannot be explained is replaced by the first that
 * can: the text is the same, the reader is another, so the link has to name it.
 */
export function explainAddress(
  { model, prompt, reading }: Source,
  { output }: Explained,
  methods: readonly Method[],
  models: readonly Model[],
): { href: string; model: string } | null {
  const method = methods.find(({ stem }) => stem === METHOD);
  if (!method || output.length === 0) return null;
  const able = (one: Model) => serves(method, one);
  const known = models.find((one) => one.id === model);
  const reader = !known || able(known) ? model : models.find(able)?.id;
  if (!reader) return null;
  const kept = Math.min(output.length, OUTPUT_TOKENS);
  const textOf = (tokens: Explained["output"]) => tokens.map(({ text }) => text).join("");
  const before = textOf(output.slice(0, -kept));
  const rest = output.slice(-kept);
  if (before && reading.chat) return null; // a chat's prompt ends where the answer begins
  const params = {
    ...reading,
    prompt: prompt + before,
    // To the model that wrote them tokens go as they are; another reads their text.
    continuation: reader === model ? rest.map(({ id }) => id) : textOf(rest),
    target_start: kept - 1,
  };
  const query = new URLSearchParams({
    method: METHOD,
    model: reader,
    params: JSON.stringify(params),
  });
  return { href: address(`/?${query}`), model: reader };
}
