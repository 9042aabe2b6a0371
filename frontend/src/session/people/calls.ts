// Sharing, comments and exports over HTTP.

import { answered, client, unwrap } from "../../api";
import type { Entry } from "./log";
import type { Role } from "./roles";
import type { Anchor, LinkOut, MemberOut, ThreadOut } from "./wire";

type Method = "GET" | "POST" | "PATCH" | "DELETE";

function call<Data>(
  method: Method,
  path: string,
  body?: unknown,
  take: typeof unwrap = unwrap,
): Promise<Data> {
  const request = client.request as unknown as (
    method: string,
    path: string,
    init: unknown,
  ) => Promise<{ data?: Data; error?: unknown; response: Response }>;
  return take(request(method.toLowerCase(), path, body === undefined ? {} : { body }));
}

const of = (session: string) => `/api/sessions/${session}`;
const name = encodeURIComponent;

export const listMembers = (session: string) => call<MemberOut[]>("GET", `${of(session)}/members`);
export const addMember = (session: string, username: string, role: Role) =>
  call<MemberOut>("POST", `${of(session)}/members`, { username, role });
export const changeMember = (session: string, username: string, role: Role) =>
  call<MemberOut>("PATCH", `${of(session)}/members/${name(username)}`, { role });
export const removeMember = (session: string, username: string) =>
  call<undefined>("DELETE", `${of(session)}/members/${name(username)}`);
export const handOver = (session: string, username: string) =>
  call<undefined>("POST", `${of(session)}/handover`, { username });

export const listLinks = (session: string) => call<LinkOut[]>("GET", `${of(session)}/links`);
export interface NewLink {
  role: Role;
  label: string;
  expires_at: string | null;
}
export const createLink = (session: string, link: NewLink) =>
  call<LinkOut & { token: string }>("POST", `${of(session)}/links`, link);
export const revokeLink = (session: string, link: string) =>
  call<undefined>("DELETE", `${of(session)}/links/${link}`);
export const openLink = (token: string) =>
  call<{ session: string; role: Role }>("POST", "/api/links/open", { token }, answered);

export const LOG_PAGE = 100;
export const listLog = (session: string, before?: number) =>
  call<Entry[]>(
    "GET",
    `${of(session)}/audit?limit=${LOG_PAGE}${before === undefined ? "" : `&before=${before}`}`,
  );

export interface NewThread {
  run: string | null;
  panel: string;
  anchor: Anchor;
  body: string;
}
export const createThread = (session: string, thread: NewThread) =>
  call<ThreadOut>("POST", `${of(session)}/threads`, thread);
export const reply = (thread: string, body: string) =>
  call<ThreadOut>("POST", `/api/threads/${thread}/comments`, { body });
export const resolve = (thread: string, resolved: boolean) =>
  call<ThreadOut>("PATCH", `/api/threads/${thread}`, { resolved });
export const changeComment = (comment: string, body: string) =>
  call<ThreadOut>("PATCH", `/api/comments/${comment}`, { body });
export const deleteComment = (comment: string) =>
  call<undefined>("DELETE", `/api/comments/${comment}`);
