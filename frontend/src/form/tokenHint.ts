// What the form asks the server of a text: which tokens of the model it is, behind what.

import { client, answered } from "../net/api";
import { givenSegments } from "./segments/reading";
import type { Field, Values } from "./schema";

export interface Asked {
  model: string;
  before: string;
  given: string | number[];
  /** It is meant as one token. */
  alone: boolean;
}

const LONGEST = { before: 2000, given: 10_000, ids: 128, segment: 40 };
const ANSWERED = 24; // tokens of one answer

/** What to ask for a field; null: nothing to show. */
export function askedFor(
  { name, role, many }: Pick<Field, "name" | "role" | "many">,
  fields: readonly Pick<Field, "name" | "role" | "control">[],
  model: string,
  values: Values,
): Asked | null {
  const valueOf = (wanted: string) => {
    const field = fields.find((one) => one.role === wanted || one.control === wanted);
    return field && values[field.name];
  };
  const textOf = (wanted: string) => {
    const found = valueOf(wanted);
    return typeof found === "string" ? found : "";
  };
  const value = values[name];
  if (!model || value === "" || value === undefined) return null;
  // A text that ends the output is looked for in it, however it is cut into tokens.
  if (role === "stop" && typeof value === "string") return null;
  const last = (given: string) => given.slice(-LONGEST.before);
  if (role === "separator") {
    const first = givenSegments(valueOf("segments"))[0]?.text ?? "";
    if (!first) return null;
    return {
      model,
      before: "",
      given: textOf(role) + first.slice(0, LONGEST.segment),
      alone: false,
    };
  }
  const question = textOf("separator") + textOf("question");
  const asks = fields.some((one) => one.role === "question");
  const before = valueOf("chat") === true ? "" : asks ? question : textOf("prompt");
  const given = typeof value === "number" ? [value] : value;
  if (typeof given === "string") {
    return given.length > LONGEST.given
      ? null
      : { model, before: last(before), given, alone: !many };
  }
  if (!Array.isArray(given) || given.length === 0 || given.length > LONGEST.ids) return null;
  return { model, before: "", given: given as number[], alone: false };
}

export const readTokens = (asked: Asked) => answered(client.POST("/api/tokens", { body: asked }));

/** What each token adds to a text, its space included. */
export async function textsOf(
  model: string,
  ids: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const texts = new Map<number, string>();
  for (let at = 0; at < ids.length; at += ANSWERED) {
    const given = ids.slice(at, at + ANSWERED);
    const { tokens } = await readTokens({ model, before: "", given, alone: false });
    for (const { id, text } of tokens) texts.set(id, text);
  }
  return texts;
}
