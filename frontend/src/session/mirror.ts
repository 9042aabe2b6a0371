// The address follows what is looked at, and what is looked at follows the address.

import { router } from "../base/router.svelte";
import { changesTo, readAddress, type Address } from "./address";

/** Browsers allow only so many changes of the address. */
const WRITE_MS = 150;

export interface Mirror {
  /** What is looked at changed; it is asked for when it is written. */
  changed(): void;
  stop(): void;
}

/** `go` is called when the address was changed by going back, forward or to a link. */
export function mirrorAddress(now: () => Address, go: (wanted: Address) => void): Mirror {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const path = location.pathname;

  function write(): void {
    timer = undefined;
    if (location.pathname === path) router.set(changesTo(location.search, now()));
  }

  const stopRouter = router.subscribe(() => {
    if (location.pathname === path) go(readAddress(location.search));
  });
  return {
    changed: () => (timer ??= setTimeout(write, WRITE_MS)),
    stop() {
      clearTimeout(timer);
      stopRouter();
    },
  };
}
