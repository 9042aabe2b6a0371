// A method's JSON schema, read as the fields of a form. Pure, so that it is tested alone.

import { equal } from "../base/equal";
import { counted } from "../base/plural";
import { givenSegments } from "./segments/reading";

export type Value = string | number | boolean;
export type Values = Record<string, unknown>;

export interface Field {
  name: string;
  label: string;
  help: string;
  group: string;
  /**
   * hidden: set by the pictures, not by typing; edges, structure: drawn with the segments;
   * text_or_ids: a text, or tokens by their ids (#12).
   */
  control:
    | "lines"
    | "line"
    | "integer"
    | "number"
    | "switch"
    | "choice"
    | "model"
    | "picture"
    | "hidden"
    | "text_or_ids"
    | "segments"
    | "edges"
    | "structure";
  /** What it means in every method that has it; null: only its own. */
  role: string | null;
  default: Value;
  required: boolean;
  choices: Value[];
  bounds: Bounds;
  /** The only capability of a model for which it has a meaning; null: for any. */
  capability: string | null;
  /** Limits of each segment's text. */
  texts: Bounds;
  /** Several tokens are meant, not one. */
  many: boolean;
}

/** Limits of a number, or of the length of a text or a list. */
interface Bounds {
  min?: number;
  max?: number;
  above?: number;
  below?: number;
}

export interface Group {
  name: string;
  fields: Field[];
}

type Schema = Record<string, unknown>;

export function fieldsOf(schema: Schema): Field[] {
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const required = new Set((schema.required ?? []) as string[]);
  const definitions = (schema.$defs ?? {}) as Record<string, Schema>;
  return Object.entries(properties).map(([name, property]) =>
    fieldOf(name, resolve(property, definitions), definitions, required.has(name)),
  );
}

/** Fields with a meaning for a model that is taken for `serving`; unknown: all. */
export const fieldsFor = (fields: readonly Field[], serving: string | undefined): Field[] =>
  fields.filter(({ capability }) => !serving || !capability || capability === serving);

/** Groups of `fields`, in the order in which `all` of the schema first name them. */
export function groupsOf(fields: readonly Field[], all: readonly Field[] = fields): Group[] {
  const names = [...new Set(all.map((field) => field.group))];
  const groups = names.map((name) => ({
    name,
    fields: fields.filter((field) => field.group === name),
  }));
  return groups.filter((group) => group.fields.length > 0);
}

/** Follows a reference and merges a union into one schema: choices join, "or null" falls away. */
function resolve(property: Schema, definitions: Record<string, Schema>): Schema {
  const { $ref, anyOf, ...own } = property;
  if (typeof $ref === "string") {
    const target = definitions[$ref.replace("#/$defs/", "")] ?? {};
    return resolve({ ...target, ...own }, definitions);
  }
  if (!Array.isArray(anyOf)) return property;
  const parts = (anyOf as Schema[]).map((part) => resolve(part, definitions));
  const kept = parts.filter((part) => part.type !== "null");
  const choices = kept.flatMap(choicesOf);
  return { ...kept[0], ...own, ...(choices.length > 0 && { enum: choices }) };
}

function choicesOf(schema: Schema): Value[] {
  if (Array.isArray(schema.enum)) return schema.enum as Value[];
  return schema.const === undefined ? [] : [schema.const as Value];
}

function fieldOf(
  name: string,
  schema: Schema,
  definitions: Record<string, Schema>,
  required: boolean,
): Field {
  const control = controlOf(schema);
  return {
    name,
    label: labelOf(name),
    help: String(schema.description ?? ""),
    group: String(schema.group ?? "Parameters"),
    control,
    role: typeof schema.role === "string" ? schema.role : null,
    default: (schema.default ?? emptyOf(control)) as Value,
    required,
    choices: choicesOf(schema),
    bounds: boundsOf(schema),
    capability: typeof schema.capability === "string" ? schema.capability : null,
    texts: textsOf(schema, definitions),
    many: schema.many === true,
  };
}

function textsOf({ items }: Schema, definitions: Record<string, Schema>): Bounds {
  const { properties } = resolve((items ?? {}) as Schema, definitions);
  return boundsOf((properties as Record<string, Schema> | undefined)?.text ?? {});
}

/** Controls that a schema asks for by name, whatever the type. */
const OWN = ["hidden", "picture", "segments", "edges", "structure", "text_or_ids"] as const;

function controlOf(schema: Schema): Field["control"] {
  const own = OWN.find((control) => control === schema.widget);
  if (own) return own;
  if (choicesOf(schema).length) return "choice";
  if (schema.widget === "model") return "model";
  if (schema.type === "boolean") return "switch";
  if (schema.type === "integer" || schema.type === "number") return schema.type;
  return schema.widget === "text" ? "lines" : "line";
}

function emptyOf(control: Field["control"]): unknown {
  if (control === "switch") return false;
  if (control === "segments" || control === "edges") return [];
  return control === "integer" || control === "number" ? 0 : "";
}

function boundsOf(schema: Schema): Bounds {
  const number = (key: string) => (typeof schema[key] === "number" ? schema[key] : undefined);
  return {
    min: number("minimum") ?? number("minLength") ?? number("minItems"),
    max: number("maximum") ?? number("maxLength") ?? number("maxItems"),
    above: number("exclusiveMinimum"),
    below: number("exclusiveMaximum"),
  };
}

export function labelOf(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** "1 to 128"; empty where there is no bound worth showing. */
export function rangeOf(field: Field): string {
  if (field.control !== "integer" && field.control !== "number") return "";
  const { min, max, above, below } = field.bounds;
  const low = min ?? (above === undefined ? undefined : `above ${shown(above)}`);
  const high = max ?? (below === undefined ? undefined : `below ${shown(below)}`);
  const parts = [low, high].map((part) => (typeof part === "number" ? shown(part) : part));
  return parts.filter((part) => part !== undefined).join(" to ");
}

const shown = (value: number) => value.toLocaleString("en");

/** What is wrong with the value, naming the limit; null when nothing is. */
export function check(field: Field, value: unknown): string | null {
  if (field.control === "integer" || field.control === "number") return checkNumber(field, value);
  if (field.control === "segments") return checkSegments(field, value);
  if (field.control === "edges") return checkCount(field, value);
  if (field.choices.length) {
    const known = field.choices.includes(value as Value);
    return known ? null : `Choose one of ${field.choices.join(", ")}.`;
  }
  return typeof value === "string" ? checkText(field, value) : null;
}

function checkNumber(field: Field, value: unknown): string | null {
  const { min, max, above, below } = field.bounds;
  if (typeof value !== "number" || !Number.isFinite(value))
    return `Enter a number, ${rangeOf(field)}.`;
  if (field.control === "integer" && !Number.isInteger(value)) return "Enter a whole number.";
  if (min !== undefined && value < min) return `At least ${shown(min)}.`;
  if (max !== undefined && value > max) return `At most ${shown(max)}.`;
  if (above !== undefined && value <= above) return `Above ${shown(above)}.`;
  if (below !== undefined && value >= below) return `Below ${shown(below)}.`;
  return null;
}

function checkText(field: Field, value: string): string | null {
  const { min = 0, max = Infinity } = field.bounds;
  const length = [...value].length;
  if (length < min) return min === 1 ? "This cannot be empty." : `At least ${min} characters.`;
  if (length > max) return `${counted(length, "character")}; at most ${shown(max)}.`;
  return null;
}

function checkCount({ name, bounds }: Field, value: unknown): string | null {
  const { min = 0, max = Infinity } = bounds;
  const count = Array.isArray(value) ? value.length : 0;
  const items = (many: number) => counted(many, name.replace(/s$/, ""), name);
  if (count < min) return `Add at least ${items(min)}.`;
  return count > max ? `${items(count)}; at most ${shown(max)}.` : null;
}

function checkSegments(field: Field, value: unknown): string | null {
  const wrong = checkCount(field, value);
  if (wrong) return wrong;
  const { texts } = field;
  for (const { id, text } of givenSegments(value)) {
    const length = [...text].length;
    if (text.trim() === "") return `Segment ${id} is empty.`;
    if (length > (texts.max ?? Infinity)) {
      return `Segment ${id} has ${counted(length, "character")}; at most ${shown(texts.max ?? 0)}.`;
    }
  }
  return null;
}

export function defaultsOf(fields: readonly Field[]): Values {
  return Object.fromEntries(fields.map((field) => [field.name, field.default]));
}

/** Only what differs from the default: what is sent, shown and copied. */
export function changed(fields: readonly Field[], values: Values): Values {
  const differing = fields.filter((field) => {
    const value = values[field.name];
    return value !== undefined && (field.required || !equal(value, field.default));
  });
  return Object.fromEntries(differing.map((field) => [field.name, values[field.name]]));
}

/** The preset's values; what it does not name and another preset does returns to the default. */
export function withPreset(
  fields: readonly Field[],
  values: Values,
  presets: Record<string, Values>,
  name: string,
): Values {
  const touched = new Set(Object.values(presets).flatMap(Object.keys));
  const restored = fields.filter((field) => touched.has(field.name));
  return { ...values, ...defaultsOf(restored), ...presets[name] };
}

/** The preset that matches the values, if any. */
export function presetOf(values: Values, presets: Record<string, Values>): string | null {
  const fits = ([, preset]: [string, Values]) =>
    Object.entries(preset).every(([key, value]) => values[key] === value);
  return Object.entries(presets).find(fits)?.[0] ?? null;
}

/** Ids of the segments without text: wrong, but not yet when one has just been added. */
export const emptySegments = (value: unknown): string[] =>
  givenSegments(value).flatMap(({ id, text }) => (text.trim() === "" ? [id] : []));
