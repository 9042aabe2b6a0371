// What each role may do: the page hides what the server would refuse.

export type Role = "viewer" | "commenter" | "editor" | "owner";

export const ROLES: readonly Role[] = ["viewer", "commenter", "editor", "owner"];
/** What can be given; there is one owner. */
export type GivenRole = Exclude<Role, "owner">;
export const GIVEN: readonly GivenRole[] = ["viewer", "commenter", "editor"];

export const MAY: Record<Role, string> = {
  viewer: "can view everything",
  commenter: "can view and comment",
  editor: "can comment, edit and start runs",
  owner: "can do everything, share, transfer and delete",
};

export const atLeast = (role: Role, least: Role) => ROLES.indexOf(role) >= ROLES.indexOf(least);
