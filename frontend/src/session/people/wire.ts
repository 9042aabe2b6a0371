// HTTP and socket types of sessions until the server's own are generated.

import type { components } from "../../gen/api";

type Schemas = components["schemas"];
export type SessionOut = Schemas["SessionOut"];
export type MemberOut = Schemas["MemberOut"];
export type LinkOut = Schemas["LinkOut"];

export type Anchor = (
  | { type: "panel" }
  | { type: "token"; index: number }
  | { type: "span"; start: number; end: number }
  | { type: "cell"; row: number; column: number; layer?: number | null; head?: number | null }
  | { type: "edge"; source: number; target: number }
  | { type: "node"; id: string }
  | { type: "step"; index: number }
) & { state?: Record<string, string> | null };

export interface CommentOut {
  id: string;
  author: string | null;
  author_name: string;
  body: string;
  mentions: string[];
  created_at: string;
  edited_at: string | null;
  deleted_at: string | null;
}

export interface ThreadOut {
  id: string;
  session: string;
  run: string | null;
  panel: string;
  anchor: Anchor;
  resolved_at: string | null;
  resolved_by: string | null;
  comments: CommentOut[];
}
