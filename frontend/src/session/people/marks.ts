// Marks of several sources on one view: people, comments.

import type { Mark, ViewContext } from "../../view/view";

type Source = "people" | "comments";

const parts = new WeakMap<ViewContext, Map<Source, readonly Mark[]>>();

/** Replaces the marks of one source; the returned function takes them away. */
export function putMarks(
  context: ViewContext | null,
  source: Source,
  marks: readonly Mark[],
): () => void {
  if (!context) return () => {};
  const known = parts.get(context) ?? new Map<Source, readonly Mark[]>();
  parts.set(context, known);
  const put = (now: readonly Mark[]) => {
    if (now.length === 0 && !known.get(source)?.length) return;
    known.set(source, now);
    context.marks.set([...known.values()].flat());
  };
  put(marks);
  return () => put([]);
}
