// The address of a session: its panel and what that panel shows. Other keys belong to others.

import { address } from "../base/address";
export const PANEL = "panel";
/** "1": the panel fills the page. */
export const LARGE = "max";
/** A run that is to be added. */
export const ADD = "add";
/** A comment thread that is opened. */
const THREAD = "thread";
const OURS: readonly string[] = [PANEL, LARGE, ADD, THREAD];

export interface Address {
  panel: string | null;
  large: boolean;
  state: Record<string, string>;
}

export function readAddress(search: string): Address {
  const query = new URLSearchParams(search);
  const state = Object.fromEntries([...query].filter(([key]) => !OURS.includes(key)));
  return { panel: query.get(PANEL), large: query.get(LARGE) === "1", state };
}

/** The query's changes that make it say this instead of what it says. */
export function changesTo(search: string, { panel, large, state }: Address) {
  const stale = Object.keys(readAddress(search).state).map((key) => [key, null] as const);
  const changes: Record<string, string | null> = {
    ...Object.fromEntries(stale),
    ...withoutOurs(state),
    [PANEL]: panel,
    [LARGE]: large ? "1" : null,
  };
  return changes;
}

export function panelAddress(session: string, panel: string, state: Record<string, string>) {
  const query = new URLSearchParams({ [PANEL]: panel, ...withoutOurs(state) });
  return address(`/sessions/${session}?${query}`);
}

const withoutOurs = (state: Record<string, string>) =>
  Object.fromEntries(Object.entries(state).filter(([key]) => !OURS.includes(key)));
