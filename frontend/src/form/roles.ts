// What a param means, by the role that its method gives it: pages know no param by its name.

import type { Method } from "../net/api";

type Described = Pick<Method, "params_schema"> | undefined;

interface Property {
  role?: string;
  anyOf?: { maxItems?: number }[];
}

const propertiesOf = (method: Described) =>
  (method?.params_schema.properties ?? {}) as Record<string, Property>;

/** Names of the method's params that have one of the roles, in the order of the roles. */
export function namesOf(method: Described, ...roles: readonly string[]): string[] {
  const all = Object.entries(propertiesOf(method));
  return roles.flatMap((role) => all.flatMap(([name, one]) => (one.role === role ? [name] : [])));
}

/** How many tokens a param takes that are given by their ids. */
export function mostTokens(method: Described, name: string): number {
  const limits = (propertiesOf(method)[name]?.anyOf ?? []).flatMap(
    ({ maxItems }) => maxItems ?? [],
  );
  return Math.min(...limits);
}
