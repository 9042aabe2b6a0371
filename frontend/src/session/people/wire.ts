// HTTP and socket types of sessions until the server's own are generated.

import type { Role } from "./roles";

export interface SessionOut {
  id: string;
  title: string;
  owner: string;
  role: Role;
  created_at: string;
  changed_at: string;
  archived_at: string | null;
  template: boolean;
  imported: Record<string, unknown> | null;
  runs: string[];
  members: number;
}

export interface MemberOut {
  username: string;
  role: Role;
}

export interface LinkOut {
  id: string;
  role: Exclude<Role, "owner">;
  label: string;
  created_by: string;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
}

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
