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
