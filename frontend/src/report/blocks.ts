// The data blocks of the file: bytes in base64, some of them zipped.

import { fromBase64, type FetchBytes } from "../net/arrays";

export interface Blocks {
  outline<Outline>(): Outline;
  /** JSON in a block, at once where it has been read before or is not zipped. */
  json<Value>(id: string): Value | Promise<Value>;
  /** Arrays and pictures by their hash. */
  file: FetchBytes;
  /** Reads all that is zipped, so that from then on everything is there at once. */
  readAll(): Promise<void>;
}

export function openBlocks(page: Document): Blocks {
  const read = new Map<string, ArrayBuffer>();

  function bytes(id: string): ArrayBuffer | Promise<ArrayBuffer> {
    const known = read.get(id);
    if (known) return known;
    const node = page.getElementById(id);
    if (!node) return Promise.reject(new Error(`This file has no block “${id}”.`));
    const content = fromBase64(node.textContent ?? "");
    if (node.dataset.kind !== "gzip") return keep(id, content);
    return unzip(content).then((unzipped) => keep(id, unzipped));
  }

  function keep(id: string, content: ArrayBuffer): ArrayBuffer {
    read.set(id, content);
    return content;
  }

  return {
    outline: () => JSON.parse(page.getElementById("outline")?.textContent ?? "null"),
    json(id) {
      const content = bytes(id);
      return content instanceof Promise ? content.then(parse) : parse(content);
    },
    file: (sha256) => bytes(`file-${sha256}`),
    async readAll() {
      for (const node of page.querySelectorAll("script[data-kind=gzip]")) await bytes(node.id);
    },
  };
}

const parse = (bytes: ArrayBuffer) => JSON.parse(new TextDecoder().decode(bytes));

function unzip(bytes: ArrayBuffer): Promise<ArrayBuffer> {
  const unzipped = new Response(bytes).body?.pipeThrough(new DecompressionStream("gzip"));
  return new Response(unzipped).arrayBuffer();
}
