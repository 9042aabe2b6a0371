// Sessions over HTTP.

import { client, unwrap, type Run } from "../api";
import type { SessionOut } from "./people/wire";

export type { SessionOut };

type Method = "get" | "post" | "patch" | "delete";

function call<Data>(method: Method, path: string, init: object = {}): Promise<Data> {
  const request = client.request as unknown as (
    method: string,
    path: string,
    init: unknown,
  ) => Promise<{ data?: Data; error?: unknown; response: Response }>;
  return unwrap(request(method, path, init));
}

export interface Wanted {
  query?: string;
  archived?: boolean;
  template?: boolean;
  before?: string;
}

const of = (id: string) => `/api/sessions/${id}`;

export const listSessions = (query: Wanted) =>
  call<SessionOut[]>("get", "/api/sessions", { params: { query } });
export const createSession = (body: { id?: string; title: string; template?: string }) =>
  call<SessionOut>("post", "/api/sessions", { body });
export const changeSession = (
  id: string,
  body: { title?: string; archived?: boolean; template?: boolean },
) => call<SessionOut>("patch", of(id), { body });
export const deleteSession = (id: string) => call<undefined>("delete", of(id));
export const duplicateSession = (id: string) => call<SessionOut>("post", `${of(id)}/duplicate`);
export const attachRun = (id: string, run: string) =>
  call<undefined>("post", `${of(id)}/runs`, { body: { run } });
export const detachRun = (id: string, run: string) =>
  call<undefined>("delete", `${of(id)}/runs/${run}`);

export interface Found {
  sessions: SessionOut[];
  runs: Run[];
}
export const search = (query: string) =>
  call<Found>("get", "/api/search", { params: { query: { query } } });

/** The bundle itself is the request's body. */
export const importBundle = (file: Blob) =>
  call<SessionOut>("post", "/api/imports", {
    body: file,
    bodySerializer: (given: unknown) => given as BodyInit,
  });
