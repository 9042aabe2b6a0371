// Sharing and comments over HTTP.

import { answered, client, unwrap } from "../../net/api";
import type { components } from "../../gen/api";
import type { GivenRole } from "./roles";

type Schemas = components["schemas"];

const at = (session: string) => ({ params: { path: { session } } });
const member = (session: string, username: string) => ({ params: { path: { session, username } } });

export const listMembers = (session: string) =>
  unwrap(client.GET("/api/sessions/{session}/members", at(session)));
export const addMember = (session: string, username: string, role: GivenRole) =>
  unwrap(
    client.POST("/api/sessions/{session}/members", { ...at(session), body: { username, role } }),
  );
export const changeMember = (session: string, username: string, role: GivenRole) =>
  unwrap(
    client.PATCH("/api/sessions/{session}/members/{username}", {
      ...member(session, username),
      body: { role },
    }),
  );
export const removeMember = (session: string, username: string) =>
  unwrap(client.DELETE("/api/sessions/{session}/members/{username}", member(session, username)));
export const handOver = (session: string, username: string) =>
  unwrap(client.POST("/api/sessions/{session}/handover", { ...at(session), body: { username } }));

export const listLinks = (session: string) =>
  unwrap(client.GET("/api/sessions/{session}/links", at(session)));
export const createLink = (session: string, body: Schemas["LinkIn"]) =>
  unwrap(client.POST("/api/sessions/{session}/links", { ...at(session), body }));
export const revokeLink = (session: string, link: string) =>
  unwrap(
    client.DELETE("/api/sessions/{session}/links/{link}", { params: { path: { session, link } } }),
  );
/** A visitor with a link may have to log in first; the page of links says so itself. */
export const openLink = (token: string) =>
  answered(client.POST("/api/links/open", { body: { token } }));

export const LOG_PAGE = 100;
export const listLog = (session: string, before?: number) =>
  unwrap(
    client.GET("/api/sessions/{session_id}/audit", {
      params: { path: { session_id: session }, query: { limit: LOG_PAGE, before } },
    }),
  );

export const createThread = (session: string, body: Schemas["ThreadIn"]) =>
  unwrap(client.POST("/api/sessions/{session}/threads", { ...at(session), body }));
export const reply = (thread: string, body: string) =>
  unwrap(
    client.POST("/api/threads/{thread}/comments", { params: { path: { thread } }, body: { body } }),
  );
export const resolve = (thread: string, resolved: boolean) =>
  unwrap(
    client.PATCH("/api/threads/{thread}", { params: { path: { thread } }, body: { resolved } }),
  );
export const changeComment = (comment: string, body: string) =>
  unwrap(
    client.PATCH("/api/comments/{comment}", { params: { path: { comment } }, body: { body } }),
  );
export const deleteComment = (comment: string) =>
  unwrap(client.DELETE("/api/comments/{comment}", { params: { path: { comment } } }));
