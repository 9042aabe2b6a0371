// What a method takes a model for, by the capabilities of both.

interface Able {
  capabilities: readonly string[];
}
interface Needing {
  needs: readonly string[];
}

/** The first capability that the method needs and the model has. */
export const servingOf = ({ needs }: Needing, { capabilities }: Able): string | undefined =>
  needs.find((need) => capabilities.includes(need));

/** Whether the method can take the model: one of the capabilities is enough. */
export const serves = (method: Needing, model: Able): boolean =>
  method.needs.length === 0 || servingOf(method, model) !== undefined;

interface Described extends Able {
  missing: Readonly<Record<string, string>>;
  problem: string | null;
}

/** Why the method cannot use the model; null: it can, or that is not known yet. */
export function lackOf(method: Needing, model: Described): string | null {
  if (model.problem) return "its folder cannot be read";
  if (serves(method, model)) return null;
  const reasons = method.needs.flatMap((need) => model.missing[need] ?? []);
  const unknown = model.capabilities.length === 0 && reasons.length === 0;
  return unknown ? null : (reasons[0] ?? `it lacks ${method.needs.join(" or ")}`);
}
