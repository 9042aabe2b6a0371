// What the checkpoint's generation_config.json asks, and whether a trace does it.

import { element } from "../../pictures/dom";
import { fromOne } from "../../pictures/ordinal";
import type { Trace } from "./traces";

/** "generation_config applied: top_p 0.8; not applied: repetition_penalty 1.05"; "": asks nothing. */
export function askedText({ start }: Pick<Trace, "start">): string {
  // Traces from before these fields came have neither.
  const { applied = {}, not_applied: left = {} }: Partial<Trace["start"]> = start;
  const parts = [listOf("applied", applied), listOf("not applied", left)].filter(Boolean);
  return parts.length ? `generation_config ${parts.join("; ")}` : "";
}

const listOf = (what: string, asked: Record<string, unknown>) => {
  const said = Object.entries(asked).map(([name, value]) => `${name} ${shown(value)}`);
  return said.length ? `${what}: ${said.join(", ")}` : "";
};

const shown = (value: unknown) =>
  typeof value === "object" && value !== null ? JSON.stringify(value).slice(0, 40) : String(value);

/** Whole outputs that two decoders choose among are drawn once. */
export function samplesTag({ start }: Trace): HTMLElement | null {
  const from = start.samples_of ?? null;
  if (from === null) return null;
  const title = `Samples shared with decoder ${fromOne(from)} of this run; their cost is counted for both.`;
  return element("span", { class: "lane-tag", title }, "shared samples");
}

/** A tag after the lane's name, with the full text on hover. */
export function askedTag(trace: Trace): HTMLElement | null {
  const title = askedText(trace);
  if (!title) return null;
  const { applied = {}, not_applied: left = {} }: Partial<Trace["start"]> = trace.start;
  const warns = Object.keys(left).length > 0;
  const partly = warns && Object.keys(applied).length > 0;
  const done = partly ? "partly applied" : warns ? "not applied" : "applied";
  return element(
    "span",
    { class: warns ? "lane-tag warn" : "lane-tag", title },
    `generation_config ${done}`,
  );
}

/** The whole of it, once: below the decoder that the run is about, where nothing hovers. */
export function askedLine(trace: Trace): HTMLElement | null {
  const text = trace.start.main ? askedText(trace) : "";
  return text ? element("p", { class: "muted lane-asked" }, text) : null;
}
