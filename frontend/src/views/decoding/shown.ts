// What all panels of a decoding view are drawn from.

import { get } from "svelte/store";
import type { Panel as AnyPanel } from "../../view/panel";
import type { Item } from "../../view/selection";
import type { Theme } from "../../base/theme";
import type { ViewContext } from "../../view/view";
import { mainOf, type Trace, type Traces } from "./traces";

export interface Shown {
  traces: Traces;
  /** The trace that is drawn; null before the first began. */
  trace: Trace | null;
  theme: Theme;
  /** The chosen output token, counted from the prompt's end. */
  position: number | null;
}

export type Panel = AnyPanel<Shown>;

export const OUTPUT = "output";
export const outputItem = (index: number): Item => ({ kind: OUTPUT, index });
export const outputIndex = (item: Item | null) => (item?.kind === OUTPUT ? item.index : null);

export function readShown(traces: Traces, context: ViewContext): Shown {
  const chosen = traces.traces[readNumber(context, "trace") ?? -1];
  return {
    traces,
    trace: chosen ?? mainOf(traces) ?? null,
    theme: get(context.theme),
    position: readNumber(context, "token"),
  };
}

/** A whole number that the address holds under the key. */
export function readNumber(context: ViewContext, key: string): number | null {
  const text = context.state.get(key);
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null;
}

/** The position becomes primary, and stays so when the address is opened elsewhere. */
export function choosePosition(context: ViewContext, position: number | null): void {
  context.selection.choose(position === null ? null : outputItem(position));
  context.state.set("token", position === null ? null : String(position));
}

export function chooseTrace(context: ViewContext, trace: Trace): void {
  context.state.set("trace", trace.start.main ? null : String(trace.start.trace));
}
