// The state of a view: what its events add up to, some of them only once their arrays are there.

import type { ArraySource } from "../net/arrays";
import type { ViewContext } from "./view";

/** A change of the state, ready once its arrays are. */
export type Change<State> = (state: State) => State;

/** Folds events into a state, and calls `changed` where it became another one. */
export function foldEvents<State, Event>(
  empty: State,
  changeOf: (event: Event, arrays: ArraySource) => Change<State> | Promise<Change<State>>,
  context: ViewContext,
  changed: () => void,
): { now(): State; update(event: Event): void; stop(): void } {
  let state = empty;
  let alive = true;
  function apply(change: Change<State>): void {
    const before = state;
    state = change(before);
    if (alive && state !== before) changed();
  }
  return {
    now: () => state,
    update(event) {
      const change = changeOf(event, context.arrays);
      if (change instanceof Promise)
        change.then(apply, (error: Error) => context.announce(error.message));
      else apply(change);
    },
    stop: () => void (alive = false),
  };
}
