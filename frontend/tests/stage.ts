// A stage for views: what the page would give them, without a page.

import { readable, writable } from "svelte/store";
import { createArraySource, createPictureSource, type FetchBytes } from "../src/net/arrays";
import type { MethodEvent } from "../src/gen/reagent";
import { createSelection } from "../src/view/selection";
import type { CreateView, RunFacts, ViewContext } from "../src/view/view";
import { create as createReagent } from "../src/views/reagent";
import centred from "./fixtures/centred.json";
import paper from "./fixtures/paper.json";

export const CENTRED = centred as unknown as MethodEvent[];
export const PAPER = paper as unknown as MethodEvent[];

export const FACTS: RunFacts = {
  id: "7c1c3a52-94d1-4b55-8f4c-0e6a5be4f5a1",
  method: "reagent",
  version: "1",
  model: "tiny-llama",
  revision: "0123456789abcdef",
  params: { prompt: "Anna has the ball.", probes: 96, seed: 3 },
  defaults: { prompt: "", probes: 512, seed: 0, top_n: 5 },
  dtype: "auto",
  info: null,
  finishedAt: "2026-01-02T03:04:05Z",
  seconds: 1.5,
  status: "done",
  cached: false,
};

function memoryState(initial: Record<string, string>) {
  const values = new Map(Object.entries(initial));
  const listeners = new Set<() => void>();
  return {
    get: (key: string) => values.get(key) ?? null,
    set: (key: string, value: string | null) => {
      if (value === null) values.delete(key);
      else values.set(key, value);
      listeners.forEach((changed) => changed());
    },
    subscribe: (changed: () => void) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
  };
}

const noFetch: FetchBytes = () => Promise.reject(new Error("This stage has no server."));

/** What a picture looks like: the order of attributes, classes and styles does not show. */
export function drawn(root: HTMLElement): string {
  const copy = root.cloneNode(true) as HTMLElement;
  for (const node of copy.querySelectorAll("*")) {
    const classes = [...node.classList].sort().join(" ");
    if (classes) node.setAttribute("class", classes);
    const style = node.getAttribute("style")?.split("; ").sort().join("; ");
    if (style) node.setAttribute("style", style.replaceAll(";", ""));
    const attributes = [...node.attributes].map(({ name, value }) => [name, value] as const);
    for (const [name] of attributes) node.removeAttribute(name);
    for (const [name, value] of attributes.sort()) if (value) node.setAttribute(name, value);
  }
  return copy.innerHTML;
}

interface Options {
  state?: Record<string, string>;
  fetchBytes?: FetchBytes;
  live?: boolean;
  facts?: Partial<RunFacts>;
  context?: Partial<ViewContext>;
}

export const stage = (options: Options = {}) => stageOf<MethodEvent>(createReagent, options);

/** Draws wait until what is played has been played; live, they happen at every event. */
export function stageOf<Event>(create: CreateView<Event>, options: Options = {}) {
  const root = document.createElement("div");
  const detail = document.createElement("div");
  document.body.append(root, detail);
  const frames: (() => void)[] = [];
  let playing = false;
  const reruns: Record<string, unknown>[] = [];
  const said: string[] = [];
  const context: ViewContext = {
    arrays: createArraySource(options.fetchBytes ?? noFetch),
    pictures: createPictureSource(options.fetchBytes ?? noFetch),
    selection: createSelection(),
    marks: writable([]),
    theme: readable("light"),
    state: memoryState(options.state ?? {}),
    run: writable({ ...FACTS, ...options.facts }),
    detail,
    keys: (press) => {
      document.addEventListener("keydown", press);
      return () => document.removeEventListener("keydown", press);
    },
    prefix: "",
    announce: (text) => said.push(text),
    frame: (draw) => (playing ? frames.push(draw) : draw()),
    rerun: (changes) => reruns.push(changes),
    ...options.context,
  };
  const view = create(root, context);
  /** Returns how many frames it took. */
  const play = (events: readonly Event[]): number => {
    playing = !options.live;
    events.forEach((event) => view.update(event));
    playing = false;
    const waiting = frames.splice(0);
    for (const draw of waiting) draw();
    return waiting.length;
  };
  const tokens = () => [...root.querySelectorAll<HTMLElement>(".pane:first-child .token")];
  return { root, detail, context, view, play, tokens, reruns, said };
}
