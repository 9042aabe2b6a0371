// The theme of a file: the reader's choice while it is open, and light on paper.

import { derived, writable, type Readable, type Writable } from "svelte/store";
import { systemTheme } from "../base/systemTheme";
import type { Theme, ThemeChoice } from "../base/theme";

export interface ReportTheme {
  theme: Readable<Theme>;
  choice: Writable<ThemeChoice>;
  printing: Writable<boolean>;
}

export function createTheme(page: Document): ReportTheme {
  const choice = writable<ThemeChoice>("system");
  const printing = writable(false);
  const theme = derived([choice, systemTheme, printing], ([chosen, system, onPaper]): Theme => {
    if (onPaper) return "light";
    return chosen === "system" ? system : chosen;
  });
  theme.subscribe((now) => (page.documentElement.dataset.theme = now));
  return { theme, choice, printing };
}
