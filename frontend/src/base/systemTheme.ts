import type { Readable } from "svelte/store";

export type Theme = "light" | "dark";

const dark = () => globalThis.matchMedia?.("(prefers-color-scheme: dark)");

/** What the system is set to, now and when it changes. */
export const systemTheme: Readable<Theme> = {
  subscribe: (run) => {
    const query = dark();
    const notify = () => run(query?.matches ? "dark" : "light");
    notify();
    query?.addEventListener("change", notify);
    return () => query?.removeEventListener("change", notify);
  },
};
