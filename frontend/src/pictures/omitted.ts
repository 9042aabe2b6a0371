// Analyses that a run could not make: a note each, below its figures.

import { create } from "d3-selection";
import type { Omitted } from "../gen/common";

export const omittedText = ({ analysis, reason }: Omitted) => `${analysis} was left out. ${reason}`;

/** Adds a note to `root`. */
export function noteOmitted(root: HTMLElement, event: Omitted): void {
  const note = create("p").attr("class", "omitted").text(omittedText(event));
  root.append(note.node() as HTMLElement);
}
