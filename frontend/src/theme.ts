import { derived, writable, type Readable } from "svelte/store";

export type Theme = "light" | "dark";
export type ThemeChoice = Theme | "system";

const KEY = "glassbench.theme";
const dark = () => globalThis.matchMedia?.("(prefers-color-scheme: dark)");

function stored(): ThemeChoice {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

export const themeChoice = writable<ThemeChoice>(stored());

const systemTheme: Readable<Theme> = {
  subscribe: (run) => {
    const query = dark();
    const tell = () => run(query?.matches ? "dark" : "light");
    tell();
    query?.addEventListener("change", tell);
    return () => query?.removeEventListener("change", tell);
  },
};

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
