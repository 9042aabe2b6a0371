// Sessions over HTTP.

import { client, unwrap } from "../net/api";
import type { components, operations } from "../gen/api";

type Schemas = components["schemas"];
export type SessionOut = Schemas["SessionOut"];
type Wanted = NonNullable<operations["session_list"]["parameters"]["query"]>;

const of = (session: string) => ({ params: { path: { session } } });

export const listSessions = (query: Wanted) =>
  unwrap(client.GET("/api/sessions", { params: { query } }));
export const createSession = (body: Schemas["SessionIn"]) =>
  unwrap(client.POST("/api/sessions", { body }));
export const changeSession = (id: string, body: Schemas["SessionChangeIn"]) =>
  unwrap(client.PATCH("/api/sessions/{session}", { ...of(id), body }));
export const deleteSession = (id: string) =>
  unwrap(client.DELETE("/api/sessions/{session}", of(id)));
export const duplicateSession = (id: string) =>
  unwrap(client.POST("/api/sessions/{session}/duplicate", of(id)));
export const attachRun = (id: string, run: string) =>
  unwrap(client.POST("/api/sessions/{session}/runs", { ...of(id), body: { run } }));

/** Also while the page is being left. */
export const detachRun = (session: string, run: string) =>
  unwrap(
    client.DELETE("/api/sessions/{session}/runs/{run}", {
      params: { path: { session, run } },
      keepalive: true,
    }),
  );

export const search = (query: string) =>
  unwrap(client.GET("/api/search", { params: { query: { query } } }));

/** The bundle itself is the request's body. */
export const importBundle = (file: Blob) =>
  unwrap(
    client.POST("/api/imports", {
      body: file as unknown as never,
      bodySerializer: (given: unknown) => given as BodyInit,
    }),
  );
