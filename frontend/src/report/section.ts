// One panel of the file: heading, caption or note, view, comments.

import type { PagePanel } from "../gen/report";
import { element } from "../pictures/dom";
import { legible } from "../pictures/glyphs";
import type { Anchor } from "../session/people/wire";
import { commentList } from "./comments";
import { renderText } from "./text";

const SHORT = 60;

export interface Section {
  panel: PagePanel;
  /** From 1. */
  number: number;
  name: string;
  /** Says in the contents which of its kind it is. */
  hint: string;
  node: HTMLElement;
  /** Where its view is drawn; null: a note. */
  view: HTMLElement | null;
  detail: HTMLElement;
}

export function createSection(
  panel: PagePanel,
  number: number,
  showAnchor: (number: number, anchor: Anchor) => void,
): Section {
  const name = nameOf(panel);
  const text = renderText(panel.text);
  const view = panel.run && element("div", { class: "view", "aria-busy": "true" });
  const detail = element("aside", { class: "detail", "aria-label": `Detail of panel ${number}` });
  const node = element(
    "section",
    { class: "report-panel", id: `panel-${number}`, "aria-label": `Panel ${number}: ${name}` },
    panel.run && element("h2", {}, `${number}. `, element("bdi", {}, name)),
    ...(panel.run ? outcome(panel.run) : []),
    text,
    view && element("div", { class: "report-view" }, view, detail),
    panel.threads.length > 0 &&
      commentList(panel.threads, view && ((anchor) => showAnchor(number, anchor))),
  );
  return { panel, number, name, hint: panel.run ? hintOf(text) : "", node, view, detail };
}

/** What a run is called by its method; a note by its first heading or words. */
function nameOf({ run, text }: PagePanel): string {
  if (run) return legible(`${run.title.split(":")[0]} · ${run.model}`);
  const heading = /^#{1,6}\s+(.{1,80})/m.exec(text)?.[1];
  const [line = ""] = text.trim().split("\n", 1);
  return legible(heading ?? line.slice(0, SHORT)) || "Note";
}

/** The beginning of a caption, which distinguishes panels of one method. */
function hintOf(caption: HTMLElement | null): string {
  const text = legible((caption?.textContent ?? "").trim());
  return text.length > SHORT ? `${text.slice(0, SHORT)}…` : text;
}

function outcome({ status, problem }: NonNullable<PagePanel["run"]>): HTMLElement[] {
  if (status === "done") return [];
  const words = "Stopped early: this is the partial result.";
  const said = status === "failed" ? `The run failed. ${legible(problem ?? "")}` : words;
  return [element("p", { class: "partial" }, said)];
}
