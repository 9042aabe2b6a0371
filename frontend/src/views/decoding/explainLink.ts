// From any token of any trace to ReAGent.

import { element } from "../../pictures/dom";
import type { ViewContext } from "../../view/view";
import type { Trace } from "./traces";
import { writtenOf } from "./written";

/** A link that opens the form for this token; a sentence where it cannot. */
export function explainLink(
  context: ViewContext,
  trace: Trace,
  position: number,
): HTMLElement | null {
  if (!context.explain) return null;
  const written = writtenOf(trace);
  const target = written.find((one) => one.position === position);
  const until = written.filter((one) => one.position <= position);
  if (!target || until.length !== position + 1) return null; // masks stand before it
  const found = context.explain({ output: until.map(({ id, text }) => ({ id, text })) });
  if (!found) return null;
  const silent = target.text === "" || trace.start.eos_ids.includes(target.id);
  if (silent && found.model !== trace.start.model) {
    const why = "A token without text cannot be passed to another model.";
    return element("p", { class: "muted" }, why);
  }
  const other = found.model !== trace.start.model ? ` (by ${found.model})` : "";
  const hint =
    "Open the form with the text up to this token as continuation and the token as target";
  return element(
    "a",
    { class: "button", href: found.href, title: hint },
    `Explain with ReAGent${other}`,
  );
}
