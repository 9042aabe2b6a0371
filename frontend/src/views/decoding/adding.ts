// Controls that bring traces of other runs and of files into the comparison.

import { get } from "svelte/store";
import { button, element } from "../../pictures/dom";
import type { RunEntry, ViewContext } from "../../view/view";
import { addFile, addRun, comparable, nameOf, type Added } from "./added";
import { BadTrace } from "./file";
import type { Shown } from "./shown";

export interface Adding {
  controls: HTMLElement[];
  /** The list to choose from, and what went wrong. */
  node: HTMLElement;
  added(): readonly Added[];
  remove(source: string): void;
  render(shown: Shown): void;
  destroy(): void;
}

/** Ids of added runs are kept in the address; what comes of a file is not. */
const KEY = "with";

export function createAdding(context: ViewContext, changed: () => void): Adding {
  let added: readonly Added[] = [];
  let alive = true;
  let prompt: string | null = null;
  let restored = false;
  const problem = element("p", { class: "error", role: "alert", hidden: "" });
  const choice = element("select", { "aria-label": "Run to compare with" }) as HTMLSelectElement;
  const chooser = element("p", { class: "adding", hidden: "" }, choice);
  const file = element("input", { type: "file", accept: ".json,.jsonl", hidden: "" });
  const node = element("div", {}, chooser, problem, file);
  const input = file as HTMLInputElement;
  let runs: RunEntry[] = [];

  input.addEventListener("change", () => {
    const chosen = input.files?.[0];
    input.value = "";
    if (chosen) void take(addFile(chosen, prompt ?? ""));
  });
  choice.addEventListener("change", () => {
    const run = runs.find((one) => one.id === choice.value);
    chooser.hidden = true;
    if (run) void take(addRun(run, prompt ?? "", context));
  });

  async function take(coming: Promise<Added>): Promise<void> {
    try {
      const one = await coming;
      if (!alive) return;
      set([...added.filter(({ source }) => source !== one.source), one]);
      say(null);
    } catch (error) {
      say(error);
    }
  }

  function say(error: unknown): void {
    problem.hidden = error === null;
    const remedy = error instanceof BadTrace ? ` ${error.remedy}` : "";
    problem.textContent = error instanceof Error ? error.message + remedy : "";
  }

  function set(next: readonly Added[]): void {
    added = next;
    const ids = added.flatMap(({ run }) => run ?? []);
    context.state.set(KEY, ids.length ? ids.join(",") : null);
    changed();
  }

  async function offer(): Promise<void> {
    chooser.hidden = !chooser.hidden;
    if (chooser.hidden) return;
    runs = await others();
    const first = runs.length ? "Choose a run of the same prompt" : "No other run of this prompt";
    choice.replaceChildren(
      element("option", { value: "" }, first),
      ...runs.map((run) => element("option", { value: run.id }, nameOf(run))),
    );
    choice.focus();
  }

  async function others(): Promise<RunEntry[]> {
    const { id, params } = get(context.run);
    const all = (await context.runs?.list()) ?? [];
    return comparable(all, id, params.prompt);
  }

  /** What a copied address names. */
  async function restore(): Promise<void> {
    const ids = (context.state.get(KEY) ?? "").split(",").filter(Boolean);
    if (ids.length === 0 || !context.runs) return;
    const found = await others();
    for (const run of found.filter(({ id }) => ids.includes(id))) {
      await take(addRun(run, prompt ?? "", context));
    }
  }

  const fromRun = button("Add a run", () => void offer().catch(say), { class: "chip" });
  const fromFile = button("Add a file", () => input.click(), {
    class: "chip",
    title: "A trace file that was saved here or by manage.py trace export",
  });
  return {
    controls: context.runs ? [fromRun, fromFile] : [fromFile],
    node,
    added: () => added,
    remove: (source) => set(added.filter((one) => one.source !== source)),
    render({ traces }) {
      prompt = traces.prompt.texts.join("");
      if (restored || traces.traces.length === 0) return;
      restored = true;
      void restore().catch(say);
    },
    destroy: () => {
      alive = false;
    },
  };
}
