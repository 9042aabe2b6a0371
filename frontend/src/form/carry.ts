// What stays in the form when another method is chosen. Pure, so that it is tested alone.

import { equal } from "../base/equal";
import { check, type Field, type Values } from "./schema";

/** Roles whose fields, where they have one name, take the same values in every method. */
const SHARED = [
  ...["prompt", "question", "continuation", "answer", "length", "seed"],
  ...["chat", "special_tokens"],
];

const isShared = ({ role }: Field) => role !== null && SHARED.includes(role);

/** The text that a method is asked about: its first long one, whatever its name. */
export const mainText = (fields: readonly Field[]): Field | undefined =>
  fields.find(({ control }) => control === "lines");

/** `carried` with what was set in a form that is being left; what was set back counts as set. */
export function carriedFrom(fields: readonly Field[], values: Values, carried: Values): Values {
  const shared = fields.filter(isShared);
  const set = shared.filter((field) => {
    const value = values[field.name];
    return field.name in carried || !equal(value, field.required ? "" : field.default);
  });
  return { ...carried, ...Object.fromEntries(set.map(({ name }) => [name, values[name]])) };
}

/** What of `carried` the fields take. */
export function carriedInto(fields: readonly Field[], carried: Values): Values {
  const takes = (field: Field) => {
    const value = carried[field.name];
    const kind = field.choices.length ? check(field, value) === null : sameKind(field, value);
    return isShared(field) && field.name in carried && kind;
  };
  return Object.fromEntries(fields.filter(takes).map(({ name }) => [name, carried[name]]));
}

const sameKind = ({ default: standard }: Field, value: unknown) => typeof value === typeof standard;
