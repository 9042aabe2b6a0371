// The file as its reader sees it: panels drawn when they come near, one of them active.

import type { PageReport } from "../gen/report";
import { element } from "../pictures/dom";
import { itemsOf, stateOf } from "../session/people/anchors";
import type { Anchor } from "../session/people/wire";
import type { Keys } from "../view/view";
import { createAim } from "./aim";
import type { Blocks } from "./blocks";
import { marksOf } from "./comments";
import { contents, reportHead } from "./head";
import { createRunPanel, type RunPanel } from "./runPanel";
import { createSection, type Section } from "./section";
import { placeAddress, readPlace, type Values } from "./state";
import type { ReportTheme } from "./theme";

export interface ReportPage {
  /** Draws every panel, at once where its data have been read. */
  openAll(): void | Promise<void>;
  /** Draws the pictures for paper and turns the page light; `screen` undoes it. */
  paper(): void;
  screen(): void;
  /** Panels that draw something: their ids in the session and their elements. */
  drawn: { id: string; root: Element }[];
}

const FAR = "800px 0px";

export function createPage(
  root: HTMLElement,
  report: PageReport,
  blocks: Blocks,
  theme: ReportTheme,
): ReportPage {
  let active = 0;
  const live = element("p", { class: "visually-hidden", "aria-live": "polite" });
  const sections = report.panels.map((panel, i) => createSection(panel, i + 1, showAnchor));
  const main = element("main", { id: "main", tabindex: "-1" }, ...sections.map(({ node }) => node));
  const aimAt = createAim(main);
  const runs = new Map(sections.flatMap((section) => withRun(section)));

  function withRun(section: Section): [number, RunPanel][] {
    const { number, panel, view, detail } = section;
    if (!panel.run || !view) return [];
    const given = {
      number,
      run: panel.run,
      values: startOf(number)?.values ?? panel.state,
      marks: marksOf(panel.threads),
      blocks,
      theme: theme.theme,
      keys: keysOf(number),
      announce: (text: string) => void (live.textContent = text),
      moved: (values: Values) => moved(number, values),
    };
    return [[number, createRunPanel(view, detail, given)]];
  }

  function keysOf(number: number): Keys {
    return (press) => {
      const pressed = (event: KeyboardEvent) => active === number && press(event);
      document.addEventListener("keydown", pressed);
      return () => document.removeEventListener("keydown", pressed);
    };
  }

  function moved(panel: number, values: Values): void {
    if (active === panel) history.replaceState(null, "", placeAddress({ panel, values }));
  }

  /** A panel that cannot be drawn says so, and takes no other with it. */
  async function open(number: number, how: (run: RunPanel) => void | Promise<void>) {
    const run = runs.get(number);
    try {
      if (run) await how(run);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const said = element("p", { role: "alert", class: "partial" }, `Not drawn: ${why}`);
      const view = sections[number - 1]?.view;
      view?.replaceChildren(said);
      view?.removeAttribute("aria-busy");
    }
  }

  async function showAnchor(number: number, anchor: Anchor): Promise<void> {
    const values = anchor.state ? stateOf(anchor) : (sections[number - 1]?.panel.state ?? {});
    active = number;
    await open(number, (run) => run.show(values, itemsOf(anchor)));
    aimAt(sections[number - 1]?.view ?? undefined);
  }

  function goTo(number: number): void {
    active = number;
    aimAt(sections[number - 1]?.node);
  }

  function followHash(): void {
    const place = readPlace(location.hash);
    if (!place) return;
    const { panel, values } = place;
    goTo(panel);
    if (values) void open(panel, (run) => run.show(values, []));
  }

  async function openAll(): Promise<void> {
    const opening = [...runs.keys()].map((number) => open(number, (run) => run.open()));
    for (const run of runs.values()) run.flush();
    await Promise.all(opening);
    for (const run of runs.values()) run.flush();
  }

  function paper(): void {
    theme.printing.set(true);
    void openAll();
    for (const run of runs.values()) run.print();
  }

  function screen(): void {
    theme.printing.set(false);
    for (const drawn of root.querySelectorAll(".on-paper")) drawn.remove();
  }

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        watcher.unobserve(target);
        void open(Number(target.id.replace("panel-", "")), (run) => run.open());
      }
    },
    { rootMargin: FAR },
  );

  root.append(
    element("a", { class: "skip", href: "#main" }, "Skip to content"),
    reportHead(report, theme, () => void openAll().then(() => window.print())),
    element("div", { class: "report-page" }, contents(sections), main),
    live,
  );
  for (const { number, node } of sections) {
    node.addEventListener("pointerdown", () => (active = number), { capture: true });
    node.addEventListener("focusin", () => (active = number));
    watcher.observe(node);
  }
  addEventListener("hashchange", followHash);
  const start = readPlace(location.hash);
  if (start) goTo(start.panel);

  return {
    openAll,
    paper,
    screen,
    drawn: sections
      .filter(({ view }) => view)
      .map(({ panel, node }) => ({ id: panel.id, root: node })),
  };
}

function startOf(number: number) {
  const start = readPlace(location.hash);
  return start?.panel === number ? start : null;
}
