// Reports of a session, as files.

import { address } from "../../base/address";
import { ApiError, csrfToken, problemOf, type Problem } from "../../net/api";
import type { components } from "../../gen/api";

export interface Format {
  value: ExportRequest["format"];
  text: string;
  for: string;
}

export const FORMATS: readonly Format[] = [
  {
    value: "html",
    text: "Interactive page",
    for: "One file that opens in any browser, offline.",
  },
  {
    value: "bundle",
    text: "Bundle",
    for: "Events, arrays and figures, to verify or import.",
  },
  { value: "notebook", text: "Notebook", for: "Jupyter notebook that recomputes each panel." },
  { value: "markdown", text: "Markdown", for: "Question, answer and findings as Markdown text." },
  {
    value: "markdown-figures",
    text: "Markdown with figures",
    for: "Markdown with tables, and the figures as separate files.",
  },
  { value: "pdf", text: "PDF", for: "For reading and printing." },
];

export type ExportRequest = components["schemas"]["ExportIn"];

export interface Received {
  bytes: number;
  /** null: the server does not say. */
  of: number | null;
}

/** The file; `arrived` is called with what is there by then. Raises ApiError, and AbortError when stopped. */
export async function fetchExport(
  session: string,
  request: ExportRequest,
  signal: AbortSignal,
  arrived: (received: Received) => void,
): Promise<File> {
  const response = await fetch(address(`/api/sessions/${session}/exports`), {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() ?? "" },
    body: JSON.stringify(request),
    signal,
  });
  if (!response.ok) throw new ApiError(await refusalOf(response));
  const type = response.headers.get("Content-Type") ?? "application/octet-stream";
  const parts = await receive(response, arrived);
  return new File(parts, nameOf(response.headers.get("Content-Disposition")), { type });
}

async function receive(response: Response, arrived: (received: Received) => void) {
  const length = Number(response.headers.get("Content-Length"));
  const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let bytes = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return parts;
    parts.push(value);
    bytes += value.length;
    arrived({ bytes, of: length || null });
  }
}

async function refusalOf(response: Response): Promise<Problem> {
  const answer = (await response.json().catch(() => null)) as Partial<Problem> | null;
  if (answer?.message && answer.remedy) return answer as Problem;
  return problemOf(new Error(`The server answered ${response.status}.`));
}

/** The name that the server gives, without folders. */
export function nameOf(disposition: string | null): string {
  const coded = /filename\*=utf-8''([^;]+)/i.exec(disposition ?? "")?.[1];
  const plain = /filename="?([^";]+)"?/i.exec(disposition ?? "")?.[1];
  const name = coded ? decodeURIComponent(coded) : plain;
  return name?.split(/[\\/]/).at(-1) || "report";
}

/** The list with one element moved by that many places; unchanged where it would leave the list. */
export function moved<One>(list: readonly One[], from: number, by: number): One[] {
  const to = from + by;
  if (to < 0 || to >= list.length) return [...list];
  const rest = list.filter((_, i) => i !== from);
  return [...rest.slice(0, to), list[from] as One, ...rest.slice(to)];
}
