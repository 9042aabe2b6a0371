// A value against the part of JSON schema that pydantic writes. What a file claims is believed
// only after this.

export interface Schema {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  $ref?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  minimum?: number;
  maximum?: number;
  default?: unknown;
}

export type Definitions = Record<string, Schema>;

/** Where and what does not fit, as "field.3: …"; null: all of it fits. */
export function misfit(value: unknown, schema: Schema, definitions: Definitions): string | null {
  if (schema.$ref) return misfit(value, referred(schema.$ref, definitions), definitions);
  if (schema.anyOf) return anyMisfit(value, schema.anyOf, definitions);
  if ("const" in schema && value !== schema.const) return `: ${shown(schema.const)} is needed`;
  if (schema.enum && !schema.enum.includes(value))
    return `: it must be one of ${schema.enum.map(shown).join(", ")}`;
  if (schema.type && !TYPES[schema.type]?.(value)) return `: ${schema.type} is needed`;
  if (typeof value === "number") return rangeMisfit(value, schema);
  if (Array.isArray(value)) return itemsMisfit(value, schema.items, definitions);
  if (isObject(value)) return objectMisfit(value, schema, definitions);
  return null;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const TYPES: Record<string, (value: unknown) => boolean> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  number: (value) => typeof value === "number" && Number.isFinite(value),
  integer: Number.isInteger,
};

function referred(reference: string, definitions: Definitions): Schema {
  const found = definitions[reference.replace("#/$defs/", "")];
  if (!found) throw new Error(`The schema names ${reference} and does not hold it.`);
  return found;
}

function anyMisfit(value: unknown, options: Schema[], definitions: Definitions): string | null {
  const found = options.map((option) => misfit(value, option, definitions));
  return found.includes(null) ? null : (found[0] ?? null);
}

function rangeMisfit(value: number, { minimum, maximum }: Schema): string | null {
  if (minimum !== undefined && value < minimum) return `: at least ${minimum} is needed`;
  return maximum !== undefined && value > maximum ? `: at most ${maximum} is possible` : null;
}

function itemsMisfit(
  values: unknown[],
  items: Schema | undefined,
  definitions: Definitions,
): string | null {
  if (!items) return null;
  for (const [i, value] of values.entries()) {
    const found = misfit(value, items, definitions);
    if (found !== null) return `.${i}${found}`;
  }
  return null;
}

function objectMisfit(
  value: Record<string, unknown>,
  schema: Schema,
  definitions: Definitions,
): string | null {
  // What has a default came to the format later: older files lack it.
  const later = (name: string) => "default" in (schema.properties?.[name] ?? {});
  const missing = schema.required?.find((name) => !(name in value) && !later(name));
  if (missing) return `.${missing}: it is missing`;
  for (const [name, part] of Object.entries(value)) {
    const found = partMisfit(name, part, schema, definitions);
    if (found !== null) return `.${name}${found}`;
  }
  return null;
}

function partMisfit(name: string, part: unknown, schema: Schema, definitions: Definitions) {
  const known = Object.hasOwn(schema.properties ?? {}, name) && schema.properties?.[name];
  if (known) return misfit(part, known, definitions);
  const { additionalProperties: others } = schema;
  if (others === false) return ": unknown field";
  return typeof others === "object" ? misfit(part, others, definitions) : null;
}

const shown = (value: unknown) => JSON.stringify(value);
