// Steps, positions and blocks: from 1 for people, from 0 in the API, in addresses and in files.

/** What a person reads for an index of the API. */
export const fromOne = (index: number): number => index + 1;

/** Head of a column that holds indices as the API counts them. */
export const indexColumn = (name: string) => `${name} (index from 0)`;
