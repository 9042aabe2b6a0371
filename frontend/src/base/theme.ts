import { derived, writable } from "svelte/store";
import { type Theme, systemTheme } from "./systemTheme";

export type { Theme };
export type ThemeChoice = Theme | "system";

const KEY = "glassbench.theme";

function stored(): ThemeChoice {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

export const themeChoice = writable<ThemeChoice>(stored());

export const theme = derived([themeChoice, systemTheme], ([choice, system]): Theme =>
  choice === "system" ? system : choice,
);

/** Writes the theme on the document, where the style sheets read it. */
export function applyTheme(): () => void {
  const stopChoice = themeChoice.subscribe((choice) => {
    if (choice === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  });
  const stopTheme = theme.subscribe((value) => {
    document.documentElement.dataset.theme = value;
  });
  return () => {
    stopChoice();
    stopTheme();
  };
}
