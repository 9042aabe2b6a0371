// The head and the contents of a report.

import { get } from "svelte/store";
import type { PageReport } from "../gen/report";
import { PICTURE_KEYS } from "../base/keys";
import { button, element } from "../pictures/dom";
import { legible } from "../pictures/glyphs";
import type { ThemeChoice } from "../base/theme";
import type { Section } from "./section";
import type { ReportTheme } from "./theme";

const NEXT: Record<ThemeChoice, ThemeChoice> = { system: "light", light: "dark", dark: "system" };
const SIGNS: Record<ThemeChoice, string> = { system: "◐", light: "☀", dark: "☾" };

export function reportHead(
  report: PageReport,
  { choice }: ReportTheme,
  print: () => void,
): HTMLElement {
  const keys = keysDialog();
  return element(
    "header",
    { class: "report-head" },
    element(
      "div",
      {},
      element("p", { class: "brand" }, "Glassbench"),
      element("h1", {}, element("bdi", {}, legible(report.title) || "Report")),
      element("p", { class: "muted" }, origin(report)),
    ),
    element(
      "div",
      { class: "report-tools" },
      themeButton(choice),
      button("Print", print),
      button("Keys", () => keys.showModal()),
    ),
    keys,
  );
}

function origin({ owner, made_at }: PageReport): HTMLElement {
  const at = element("time", { datetime: made_at }, made_at.slice(0, 16).replace("T", " "));
  const by = owner ? [" from the session of ", element("bdi", {}, legible(owner))] : [];
  return element("span", {}, "Exported ", at, " UTC", ...by);
}

function themeButton(choice: ReportTheme["choice"]): HTMLElement {
  const node = button("", () => choice.set(NEXT[get(choice)]));
  choice.subscribe((now) => {
    node.textContent = SIGNS[now];
    node.title = `Theme: ${now}`;
    node.setAttribute("aria-label", node.title);
  });
  return node;
}

function keysDialog(): HTMLDialogElement {
  const keys = PICTURE_KEYS.flatMap(([key, meaning]) => [
    element("dt", {}, element("kbd", {}, key)),
    element("dd", {}, meaning),
  ]);
  const dialog = element(
    "dialog",
    { class: "keys-dialog", "aria-labelledby": "keys-title" },
    element("h2", { id: "keys-title" }, "Keys of the active panel"),
    element("dl", { class: "keys" }, ...keys),
    button("Close", () => dialog.close()),
  ) as HTMLDialogElement;
  return dialog;
}

export function contents(sections: readonly Section[]): HTMLElement {
  const items = sections.map(({ number, name, hint }) =>
    element(
      "li",
      {},
      element("a", { href: `#panel-${number}` }, element("bdi", {}, name)),
      hint && element("bdi", { class: "muted" }, hint),
    ),
  );
  return element(
    "nav",
    { class: "contents", "aria-labelledby": "contents-title" },
    element("h2", { id: "contents-title" }, "Contents"),
    element("ol", {}, ...items),
  );
}
