// The tree of runs that decisions of the user made out of one, each a link.

import { address } from "../../base/address";
import { get } from "svelte/store";
import { element } from "../../pictures/dom";
import { createFigure } from "../../pictures/figure";
import { visible } from "../../pictures/glyphs";
import type { Cell } from "../../pictures/table";
import { whenChanged } from "../../view/panel";
import type { RunEntry, RunFacts, ViewContext } from "../../view/view";
import { branchTree, describe, type Branch, type Decision } from "./branches";
import type { Panel, Shown } from "./shown";
import type { Traces } from "./traces";

export function createBranches(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Branches forced by you", "branches", context);
  const list = figure.body.appendChild(element("div", { class: "branches" }));
  figure.legend.textContent =
    "Each line is a run: its parent with one more decision forced by you. The output before that " +
    "decision is identical, because random numbers depend only on seed, position and trial.";
  let runs: readonly RunEntry[] = [];
  let fetched: ReadonlyMap<number, string> = new Map();
  let status = "";
  let alive = true;

  /** Again when the run ends: others may have been started meanwhile. */
  const stop = context.run.subscribe((facts) => {
    if (facts.status === status || !context.runs) return;
    status = facts.status;
    void context.runs.list().then(
      (found) => {
        runs = found;
        if (alive && latest) draw(latest);
        void askNames();
      },
      () => undefined, // without the list there is no tree; the run itself is not touched by that
    );
  });
  let latest: Shown | null = null;

  /** Tokens of other branches, which no event of this run names. */
  async function askNames(): Promise<void> {
    const known = latest ? namesOf(latest.traces) : new Map<number, string>();
    const wanted = tokensOf(branchTree(runs, entryOf(get(context.run))));
    const unknown = wanted.filter((id) => !known.has(id) && !fetched.has(id));
    if (!context.tokenTexts || unknown.length === 0) return;
    fetched = new Map([...fetched, ...(await context.tokenTexts(unknown))]);
    if (alive && latest) draw(latest);
  }

  const draw = whenChanged<Shown>(
    ({ traces }) => [traces.traces.length, lastStep(traces), runs, fetched],
    ({ traces }) => {
      const facts = get(context.run);
      const roots = branchTree(runs, entryOf(facts));
      if (countOf(roots) < 2 && decisionsOf(facts).length === 0) return figure.hide();
      const names = new Map([...fetched, ...namesOf(traces)]);
      list.replaceChildren(treeNode(roots, facts.id, names));
      figure.update({ table: () => tableOf(roots, names), data: () => roots, svg: null });
    },
  );

  return {
    render(shown) {
      latest = shown;
      if (context.runs) draw(shown);
    },
    destroy() {
      alive = false;
      stop();
      figure.destroy();
    },
  };
}

const lastStep = ({ traces }: Traces) => traces[0]?.end !== null;
const decisionsOf = ({ params }: RunFacts) => (params.forced ?? []) as Decision[];
const countOf = (branches: readonly Branch[]): number =>
  branches.reduce((sum, { children }) => sum + 1 + countOf(children), 0);

function entryOf({ id, method, model, params, status }: RunFacts): RunEntry {
  return { id, method, model, params, status, createdAt: "" };
}

/** Texts of tokens that the events name; a branch of another run may hold others. */
function namesOf({ prompt, traces }: Traces): Map<number, string> {
  const names = new Map(prompt.ids.map((id, i) => [id, prompt.texts[i] ?? ""]));
  for (const { steps, canvas, output } of traces) {
    output?.ids.forEach((id, i) => names.set(id, output.texts[i] ?? ""));
    for (const { candidates } of steps) for (const { id, text } of candidates) names.set(id, text);
    for (const { alternatives } of canvas)
      for (const { id, text } of alternatives.flat()) names.set(id, text);
  }
  return names;
}

type Names = ReadonlyMap<number, string>;
const nameIn = (names: Names) => (token: number) => {
  const text = names.get(token);
  return text ? visible(text) : `#${token}`;
};

/** Ids that decisions of the trees name, each once. */
function tokensOf(branches: readonly Branch[]): number[] {
  const own = branches.flatMap(({ added, children }) => [
    ...added.flatMap((decision) => ("token" in decision ? [decision.token] : [])),
    ...tokensOf(children),
  ]);
  return [...new Set(own)];
}

function labelOf({ added, run }: Branch, names: Names): string {
  if (added.length === 0) return "No forced decisions";
  const decoder = run.params.decoder ? ` (${String(run.params.decoder).replaceAll("_", " ")})` : "";
  return added.map((decision) => describe(decision, nameIn(names))).join(", ") + decoder;
}

function treeNode(branches: readonly Branch[], current: string, names: Names): HTMLElement {
  const items = branches.map((branch) => {
    const here = branch.run.id === current;
    const mark: Record<string, string> = here ? { "aria-current": "page" } : {};
    const link = element(
      "a",
      { href: address(`/runs/${branch.run.id}`), ...mark },
      labelOf(branch, names),
    );
    const word = element("span", { class: "muted" }, here ? " this run" : ` ${branch.run.status}`);
    const below = branch.children.length > 0 && treeNode(branch.children, current, names);
    return element("li", {}, link, word, below);
  });
  return element("ul", {}, ...items);
}

function tableOf(roots: readonly Branch[], names: Names) {
  const rows: Cell[][] = [];
  const add = (branch: Branch, above: string) => {
    const forced = (branch.run.params.forced ?? []) as unknown[];
    rows.push([branch.run.id, above, labelOf(branch, names), forced.length, branch.run.status]);
    for (const child of branch.children) add(child, branch.run.id);
  };
  for (const root of roots) add(root, "");
  const columns = ["run", "parent run", "added decisions", "forced decisions", "status"];
  return { caption: "Branches forced by you", columns, rows };
}
