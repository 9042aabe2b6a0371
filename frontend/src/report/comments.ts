// Comments on a panel, each thread with its anchor.

import type { PageComment, PageThread } from "../gen/report";
import { element } from "../pictures/dom";
import { legible } from "../pictures/glyphs";
import { describe, itemsOf } from "../session/people/anchors";
import type { Anchor } from "../session/people/wire";
import type { Mark } from "../view/view";
import { renderText } from "./text";

/** `open` shows in the panel's view what a thread is about; null: the panel draws nothing. */
export function commentList(
  threads: readonly PageThread[],
  open: ((anchor: Anchor) => void) | null,
): HTMLElement {
  const list = element("ol", {}, ...threads.map((thread) => threadItem(thread, open)));
  return element("section", { class: "comments" }, element("h3", {}, "Comments"), list);
}

/** Anchors of unresolved threads, for the view to mark. */
export function marksOf(threads: readonly PageThread[]): Mark[] {
  return threads
    .filter(({ resolved }) => !resolved)
    .flatMap(({ anchor, comments }) =>
      itemsOf(anchor as unknown as Anchor).map((item) => ({
        item,
        by: "comment" as const,
        colour: null,
        label: `Comment by ${legible(comments[0]?.author ?? "")}`,
      })),
    );
}

function threadItem(thread: PageThread, open: ((anchor: Anchor) => void) | null): HTMLElement {
  const anchor = thread.anchor as unknown as Anchor;
  const about = legible(describe(anchor));
  const place = open ? element("button", { type: "button", class: "anchor" }, about) : about;
  if (open) (place as HTMLElement).addEventListener("click", () => open(anchor));
  const state = thread.resolved && element("span", { class: "muted" }, "resolved");
  const head = element("p", { class: "thread-head" }, place, state);
  return element("li", { class: "thread" }, head, ...thread.comments.map(commentPart));
}

function commentPart(comment: PageComment): HTMLElement {
  const at = comment.created_at.slice(0, 16).replace("T", " ");
  return element(
    "article",
    { class: "comment" },
    element(
      "p",
      { class: "comment-head" },
      element("bdi", {}, legible(comment.author)),
      element("time", { datetime: comment.created_at, class: "muted" }, at),
      comment.edited && element("span", { class: "muted" }, "edited"),
    ),
    renderText(comment.body),
  );
}
