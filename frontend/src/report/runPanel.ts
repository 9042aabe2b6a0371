// A run in the file: its view, drawn from the events that the file holds.

import { writable, type Readable } from "svelte/store";
import { createArraySource, createPictureSource } from "../net/arrays";
import type { CommonEvent, ModelInfo, Omitted } from "../gen/common";
import { noteOmitted } from "../pictures/omitted";
import type { PageRun } from "../gen/report";
import { createSelection, type Item } from "../view/selection";
import type { Theme } from "../base/theme";
import { factsOf } from "../view/facts";
import type { CreateView, Keys, Mark, View, ViewContext } from "../view/view";
import type { Blocks } from "./blocks";
import { createFrames } from "./frames";
import { drawForPaper } from "./paper";
import { createState, type Values } from "./state";

export interface RunPanel {
  /** Draws the view, at once where its data have been read; once is enough. */
  open(): void | Promise<void>;
  /** Draws it again in another state, with something selected. */
  show(values: Values, selected: readonly Item[]): void | Promise<void>;
  /** Draws now what waits for the next frame. */
  flush(): void;
  /** Draws its pictures for paper, in addition to those of the screen. */
  print(): void;
}

interface Given {
  number: number;
  run: PageRun;
  values: Values;
  /** What is commented. */
  marks: readonly Mark[];
  blocks: Blocks;
  theme: Readable<Theme>;
  keys: Keys;
  announce(text: string): void;
  /** The view's state became this. */
  moved(now: Values): void;
}

type AnyEvent = { kind: string };
const STATUS = "status"; // of the run, which views do not take

const modules = import.meta.glob<{ create: CreateView<AnyEvent> }>("../views/*.ts", {
  eager: true,
});

export function createRunPanel(root: HTMLElement, detail: HTMLElement, given: Given): RunPanel {
  const { number, run, blocks } = given;
  const prefix = `panel-${number}-`;
  const create = modules[`../views/${run.method}.ts`]?.create ?? null;
  const frames = createFrames();
  let view: View<AnyEvent> | null = null;
  let events: AnyEvent[] | null = null;

  const sources = {
    arrays: createArraySource(blocks.file),
    pictures: createPictureSource(blocks.file),
  };

  function contextOf(values: Values, info: ModelInfo | null): ViewContext {
    return {
      ...sources,
      selection: createSelection(),
      marks: writable(given.marks),
      theme: given.theme,
      state: createState(values, given.moved),
      run: writable(factsOf(run, info, run.defaults, { cached: false })),
      detail,
      keys: given.keys,
      prefix,
      announce: given.announce,
      frame: frames.frame,
    };
  }

  function draw(read: AnyEvent[], values: Values, selected: readonly Item[]): void {
    events = read;
    if (!create) throw new Error(`This file has no figure for the method “${run.method}”.`);
    view?.destroy();
    detail.replaceChildren();
    const context = contextOf(values, infoOf(read as CommonEvent[]));
    view = create(root, context);
    for (const event of read) {
      if (event.kind === "omitted") noteOmitted(root, event as Omitted);
      else if (event.kind !== STATUS) view.update(event);
    }
    choose(context, selected);
    root.removeAttribute("aria-busy");
  }

  function show(values: Values, selected: readonly Item[]): void | Promise<void> {
    const read = events ?? blocks.json<AnyEvent[]>(`events-${number}`);
    if (!(read instanceof Promise)) return draw(read, values, selected);
    return read.then((arrived) => draw(arrived, values, selected));
  }

  return {
    open: () => (view ? undefined : show(given.values, [])),
    show,
    flush: frames.flush,
    print: () => drawForPaper(root, prefix),
  };
}

function choose({ selection }: ViewContext, selected: readonly Item[]): void {
  const [first] = selected;
  if (selected.length > 1) selection.chooseSet(selected);
  else if (first) selection.choose(first);
}

const infoOf = (events: CommonEvent[]) =>
  events.find((event) => event.kind === "model")?.info ?? null;
