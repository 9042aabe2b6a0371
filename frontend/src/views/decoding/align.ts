// Two aligned texts: their first difference and their longest common subsequence.

export interface Alignment {
  /** First place where they differ, counted in tokens of either; null: they are equal. */
  divergence: number | null;
  /** Of the other text, token by token: part of a longest common subsequence. */
  shared: boolean[];
}

export function align(reference: readonly string[], other: readonly string[]): Alignment {
  const prefix = commonLength(reference, other);
  if (prefix === reference.length && prefix === other.length) {
    return { divergence: null, shared: other.map(() => true) };
  }
  const tail = longestCommon(reference.slice(prefix), other.slice(prefix));
  return { divergence: prefix, shared: [...other.slice(0, prefix).map(() => true), ...tail] };
}

function commonLength(a: readonly string[], b: readonly string[]): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return i;
  return shorter;
}

/** Which of b's tokens are in a longest common subsequence of both. */
function longestCommon(a: readonly string[], b: readonly string[]): boolean[] {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] =
        a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const shared = b.map(() => false);
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) {
      shared[j] = true;
      [i, j] = [i + 1, j + 1];
    } else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
    else j += 1;
  }
  return shared;
}
