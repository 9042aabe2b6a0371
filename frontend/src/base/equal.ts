/** Lists and records are equal when what they hold is. */
export const equal = (a: unknown, b: unknown) =>
  a === b || (typeof a === "object" && JSON.stringify(a) === JSON.stringify(b));
