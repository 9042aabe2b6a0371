/** Events of a run of the method on a text of so many tokens. */
export function longRun(method: string, length: number): { kind: string }[];
export const METHODS: Record<string, unknown>;
