import type { ArrayRef } from "./gen/common";

export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array;

/** The numbers of a reference: at once when they are inline, else when they have arrived. */
export type ArraySource = (ref: ArrayRef) => Numbers | Promise<Numbers>;

export type FetchBytes = (sha256: string) => Promise<ArrayBuffer>;

/** Reads inline arrays itself and asks `fetchBytes` once for each of the others. */
export function createArraySource(fetchBytes: FetchBytes): ArraySource {
  const pending = new Map<string, Promise<Numbers>>();
  return (ref) => {
    if (typeof ref.data === "string") return decode(ref, fromBase64(ref.data));
    const known = pending.get(ref.sha256);
    if (known) return known;
    const fetched = fetchBytes(ref.sha256).then((bytes) => decode(ref, bytes));
    pending.set(ref.sha256, fetched);
    fetched.catch(() => pending.delete(ref.sha256));
    return fetched;
  };
}

/** Bytes travel little-endian, which is what every browser's typed arrays read. */
function decode(ref: ArrayRef, bytes: ArrayBuffer): Numbers {
  const size = ref.shape.reduce((product, length) => product * length, 1);
  const numbers = view(ref.dtype, bytes);
  if (numbers.length === size) return numbers;
  throw new Error(
    `An array of shape [${ref.shape.join(", ")}] came with ${numbers.length} numbers.`,
  );
}

function view(dtype: ArrayRef["dtype"], bytes: ArrayBuffer): Numbers {
  if (dtype === "float32") return new Float32Array(bytes);
  if (dtype === "float64") return new Float64Array(bytes);
  if (dtype === "int32") return new Int32Array(bytes);
  return new Uint8Array(bytes);
}

function fromBase64(text: string): ArrayBuffer {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes.buffer;
}
