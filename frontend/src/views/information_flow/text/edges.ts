// Cuts: attention edges with their layers and heads, as params and in the address.

/** All edges from one of `keys` to one of `queries`; null layers or heads: all of them. */
export interface Edge {
  queries: readonly number[];
  keys: readonly number[];
  layers: readonly number[] | null;
  heads: readonly number[] | null;
}

/** One edge per pair of reader and source; its layers and heads may change. */
export const samePlace = (a: Edge, b: Edge) => same(a.queries, b.queries) && same(a.keys, b.keys);

const same = (a: readonly number[], b: readonly number[]) => a.join() === b.join();

export const equalEdges = (a: readonly Edge[], b: readonly Edge[]) => encode(a) === encode(b);

const byPlace = (a: Edge, b: Edge) =>
  (a.queries[0] ?? 0) - (b.queries[0] ?? 0) || (a.keys[0] ?? 0) - (b.keys[0] ?? 0);

/** The edge is taken away if one of its place is there, else added. */
export function toggled(edges: readonly Edge[], edge: Edge): Edge[] {
  const others = edges.filter((one) => !samePlace(one, edge));
  return others.length < edges.length ? others : [...others, edge].sort(byPlace);
}

export const changedAt = (edges: readonly Edge[], edge: Edge): Edge[] =>
  edges.map((one) => (samePlace(one, edge) ? edge : one));

/** "0-2, 4" for 0, 1, 2, 4. */
export function numbersText(numbers: readonly number[], comma = ", "): string {
  const runs: [number, number][] = [];
  for (const one of numbers) {
    const last = runs.at(-1);
    if (last?.[1] === one - 1) last[1] = one;
    else runs.push([one, one]);
  }
  return runs
    .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
    .join(comma);
}

/** The reverse, sorted; undefined where the text is not numbers below `count`. */
export function readNumbers(text: string, count: number, comma = ","): number[] | undefined {
  const numbers = new Set<number>();
  for (const part of text.split(comma)) {
    const found = /^\s*(\d+)\s*(?:[-–]\s*(\d+)\s*)?$/.exec(part);
    const [first, last] = [Number(found?.[1] ?? NaN), Number(found?.[2] ?? found?.[1] ?? NaN)];
    if (!(first <= last && last < count)) return undefined;
    for (let one = first; one <= last; one++) numbers.add(one);
  }
  return [...numbers].sort((a, b) => a - b);
}

/** As `readNumbers`, with "" or all of them for null. */
export function readSome(text: string, count: number): number[] | null | undefined {
  if (text.trim() === "") return null;
  const numbers = readNumbers(text, count);
  return numbers?.length === count ? null : numbers;
}

const COMMA = "*"; // stays as it is in an address
const MOST = 4096;

/** For the address: `12.3`, `12-14.3.l0-2*4.h1`, joined by `_`; `none` for no edges. */
export function encode(edges: readonly Edge[]): string {
  const text = ({ queries, keys, layers, heads }: Edge) =>
    [
      numbersText(queries, COMMA),
      numbersText(keys, COMMA),
      ...(layers ? [`l${numbersText(layers, COMMA)}`] : []),
      ...(heads ? [`h${numbersText(heads, COMMA)}`] : []),
    ].join(".");
  return edges.map(text).join("_") || "none";
}

/** What an address says; what nobody could have written there is left out. */
export function decode(text: string): Edge[] {
  return text.split("_").flatMap((part) => {
    const found = /^([\d*-]+)\.([\d*-]+)(?:\.l([\d*-]+))?(?:\.h([\d*-]+))?$/.exec(part);
    const lists = found?.slice(1).map((one) => (one ? readNumbers(one, MOST, COMMA) : null));
    if (!lists || lists.includes(undefined)) return [];
    const [queries, keys, layers, heads] = lists;
    return queries && keys ? [{ queries, keys, layers: layers ?? null, heads: heads ?? null }] : [];
  });
}
