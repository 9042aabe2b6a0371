// Counts with their nouns: "1 branch", "2 branches".

const RULES = new Intl.PluralRules("en");

/** The noun for so many; `many` where an s does not make it. */
export const noun = (count: number, one: string, many = `${one}s`) =>
  RULES.select(count) === "one" ? one : many;

/** "1 trial", "1,024 trials". */
export const counted = (count: number, one: string, many?: string) =>
  `${count.toLocaleString("en")} ${noun(count, one, many)}`;
