// Sessions as the server describes them, under short names.

import type { components } from "../../gen/api";

type Schemas = components["schemas"];
export type SessionOut = Schemas["SessionOut"];
export type MemberOut = Schemas["MemberOut"];
export type LinkOut = Schemas["LinkOut"];
export type ThreadOut = Schemas["ThreadOut"];
export type CommentOut = Schemas["CommentOut"];
export type Anchor = ThreadOut["anchor"];
