// What a view is. A view touches only its root, its detail slot and what the context offers, so
// that it runs live, in tests replaying recorded events, and in a report with no server.

import type { Readable, Writable } from "svelte/store";
import type { ArraySource, PictureSource } from "../net/arrays";
import type { ArrayRef, ModelInfo } from "../gen/common";
import type { Item, Selection } from "./selection";
import type { Theme } from "../base/theme";

export type { ArrayRef, ModelInfo };

export interface View<Event> {
  /** Takes in one event; drawing waits for the next frame. */
  update(event: Event): void;
  destroy(): void;
}

export type CreateView<Event> = (root: HTMLElement, context: ViewContext) => View<Event>;

/** What the page knows of a view before it is loaded; `views/<stem>/traits.ts` declares it. */
export interface ViewTraits {
  /** Keys of its state that everybody chooses for themselves in a session. */
  personal?: readonly string[];
  /** It draws trace files of this family of decoders. */
  traces?: TraceFamily;
}

export type TraceFamily = "autoregressive" | "diffusion";

/** What a picture says about where it comes from. */
export interface RunFacts {
  id: string;
  method: string;
  version: string;
  model: string;
  revision: string | null;
  /** As given by the user; what equals the default is left out wherever it is shown. */
  params: Record<string, unknown>;
  defaults: Record<string, unknown>;
  /** As asked for: auto, float32, bfloat16, float16. */
  dtype: string;
  info: ModelInfo | null;
  finishedAt: string | null;
  seconds: number | null;
  status: string;
  /** Its events are those of an identical earlier run. */
  cached: boolean;
}

/** View state that belongs in the address, so that a copied address reproduces the view. */
export interface ViewState {
  get(key: string): string | null;
  /** null removes the key. */
  set(key: string, value: string | null): void;
  subscribe(changed: () => void): () => void;
}

/** Calls `press` for each key; returns the function that ends it. */
export type Keys = (press: (event: KeyboardEvent) => void) => () => void;

/** A run as lists know it. */
export interface RunEntry {
  id: string;
  method: string;
  model: string;
  params: Record<string, unknown>;
  status: string;
  createdAt: string;
}

/** The user's other runs. */
export interface RunSource {
  /** Latest first; the newest few hundred. */
  list(): Promise<RunEntry[]>;
  /** All events that a run has by now. */
  events(id: string): Promise<{ kind: string }[]>;
}

/** An item that others look at, or that is commented: a border or underline, never a fill. */
export interface Mark {
  item: Item;
  by: "person" | "comment";
  /** Of the person, by name; the style sheet says what it looks like. */
  colour: string | null;
  /** Who looks, or how many threads there are. */
  label: string;
}

/** What an item is of its run, where it is no token: what is said of it outlives the view. */
export type Place =
  { type: "cell"; row: number; column: number } | { type: "edge"; source: number; target: number };

export type PlaceOf = (item: Item) => Place | null;

/** A text whose last token is to be explained. */
export interface Explained {
  /** Output tokens up to and with the one to be explained; their texts join to the whole. */
  output: readonly { id: number; text: string }[];
}

export interface ViewContext {
  arrays: ArraySource;
  pictures: PictureSource;
  selection: Selection;
  /** Set by the page; strips and matrices draw them. */
  marks: Writable<readonly Mark[]>;
  /** A view whose items are no tokens says here what they are; absent where nothing is said. */
  places?: Writable<PlaceOf>;
  theme: Readable<Theme>;
  state: ViewState;
  run: Readable<RunFacts>;
  /** Where the detail of what is selected is drawn. */
  detail: HTMLElement;
  /** Keys pressed while the view is the active one of its page. */
  keys: Keys;
  /** Stands before each DOM id and name of the view; no two views of a page share it. */
  prefix: string;
  /** Said to screen readers. */
  announce(text: string): void;
  /** Calls once, before the next paint; tests call at once. */
  frame(draw: () => void): void;
  /** Starts a new run with changed params; absent where nothing can be run. */
  rerun?: (changes: Record<string, unknown>) => void;
  /** Absent where there is no server. */
  runs?: RunSource;
  /** Texts of the run's model for token ids; none where its tokenizer cannot be read. */
  tokenTexts?: (ids: readonly number[]) => Promise<ReadonlyMap<number, string>>;
  /** Where the form opens that explains the last token; null where no model here can. */
  explain?: (wanted: Explained) => { href: string; model: string } | null;
}
