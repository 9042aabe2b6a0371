import type { ArrayRef, PictureRef } from "../gen/common";

export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array;

/** The numbers of a reference: at once when they are inline, else when they have arrived. */
export type ArraySource = (ref: ArrayRef) => Numbers | Promise<Numbers>;

/** At once where the bytes are here already. */
export type FetchBytes = (sha256: string) => ArrayBuffer | Promise<ArrayBuffer>;

interface Ref {
  sha256: string;
  data: string | null;
}

/** What `read` makes of the bytes of a reference: inline ones, or those fetched once by hash. */
function createSource<R extends Ref, Content>(
  fetchBytes: FetchBytes,
  readInline: (ref: R, data: string) => Content,
  read: (ref: R, bytes: ArrayBuffer) => Content,
): (ref: R) => Content | Promise<Content> {
  const pending = new Map<string, Promise<Content>>();
  return (ref) => {
    if (typeof ref.data === "string") return readInline(ref, ref.data);
    const known = pending.get(ref.sha256);
    if (known) return known;
    const bytes = fetchBytes(ref.sha256);
    if (bytes instanceof ArrayBuffer) return read(ref, bytes);
    const fetched = bytes.then((arrived) => read(ref, arrived));
    pending.set(ref.sha256, fetched);
    fetched.catch(() => pending.delete(ref.sha256));
    return fetched;
  };
}

export function createArraySource(fetchBytes: FetchBytes): ArraySource {
  const readInline = (ref: ArrayRef, data: string) => decode(ref, fromBase64(data));
  return createSource(fetchBytes, readInline, decode);
}

/** Uses arrays at once where all are there, else when the last has arrived. */
export function whenRead<Result>(
  arrays: (Numbers | Promise<Numbers>)[],
  use: (read: Numbers[]) => Result,
): Result | Promise<Result> {
  const waiting = arrays.some((one) => one instanceof Promise);
  return waiting ? Promise.all(arrays).then(use) : use(arrays as Numbers[]);
}

/** The address of a picture for an <img> or an <image>, with the file in it. */
export type PictureSource = (ref: PictureRef) => string | Promise<string>;

export function createPictureSource(fetchBytes: FetchBytes): PictureSource {
  const readInline = (_: PictureRef, data: string) => pngAddress(data);
  return createSource(fetchBytes, readInline, (_, bytes) => pngAddress(toBase64(bytes)));
}

const pngAddress = (base64: string) => `data:image/png;base64,${base64}`;

function toBase64(bytes: ArrayBuffer): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.byteLength; at += 0x8000) {
    parts.push(String.fromCharCode(...new Uint8Array(bytes.slice(at, at + 0x8000))));
  }
  return btoa(parts.join(""));
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

export function fromBase64(text: string): ArrayBuffer {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes.buffer;
}
