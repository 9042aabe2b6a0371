// Which step of a canvas is shown: chosen, played, or the latest while a run goes on.

import { get, writable, type Readable } from "svelte/store";
import type { ViewContext } from "../../view/view";
import { readNumber } from "../decoding/shown";

export interface Tick {
  step: number;
  /** Steps there are by now. */
  count: number;
  playing: boolean;
}

export interface Clock extends Readable<Tick> {
  go(step: number): void;
  by(steps: number): void;
  toggle(): void;
  /** The trace that is drawn has this many steps. */
  resize(count: number): void;
  destroy(): void;
}

const PACE = { full: 320, reduced: 900 }; // milliseconds per step
const KEY = "step";

export function createClock(context: ViewContext): Clock {
  const store = writable<Tick>({ step: 0, count: 0, playing: false });
  /** null: follow the latest. */
  let wanted = readNumber(context, KEY);
  let timer: ReturnType<typeof setInterval> | undefined;

  function set(part: Partial<Tick>): void {
    store.update((now) => ({ ...now, ...part }));
  }

  function show(step: number): void {
    const { count } = get(store);
    wanted = Math.max(0, Math.min(count - 1, step));
    set({ step: wanted });
  }

  /** Not at every step that is played: browsers allow only so many changes of the address. */
  function keep(): void {
    context.state.set(KEY, wanted === null ? null : String(wanted));
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
    if (!get(store).playing) return;
    set({ playing: false });
    keep();
  }

  function play(): void {
    const { step, count } = get(store);
    if (count < 2) return;
    if (step >= count - 1) show(0);
    set({ playing: true });
    const calm = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
    timer = setInterval(advance, calm ? PACE.reduced : PACE.full);
  }

  function advance(): void {
    const { step, count } = get(store);
    if (step >= count - 1) stop();
    else show(step + 1);
  }

  return {
    subscribe: store.subscribe,
    go(step) {
      stop();
      show(step);
      keep();
    },
    by(steps) {
      stop();
      show(get(store).step + steps);
      keep();
    },
    toggle: () => (get(store).playing ? stop() : play()),
    resize(count) {
      const { count: before, step } = get(store);
      const at = Math.max(0, Math.min(count - 1, wanted ?? count - 1));
      if (before !== count || at !== step) set({ count, step: at });
    },
    destroy: () => clearInterval(timer),
  };
}
