// A session that is open on this page: its panels in order, which one is active, undo and redo.

import { untrack } from "svelte";
import type { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";
import type { Run } from "../net/api";
import { catalog } from "../net/catalog.svelte";
import { fieldsOf } from "../form/schema";
import type { Place } from "../run/context";
import { textOf } from "../run/text";
import type { Keys, ViewContext } from "../view/view";
import { Connection } from "./connection.svelte";
import {
  addPanel,
  captionOf,
  copyPanel,
  keepState,
  layPanel,
  movePanel,
  observe,
  panelsIn,
  removePanel,
  rename,
  stepPanel,
  titleOf,
  undoManagerOf,
  type PanelLayout,
  type NewPanel,
  type PanelRecord,
} from "./document";
import type { SessionFeed } from "./feed.svelte";
import { createPanelState, type StoredState, type PanelState } from "./panelState";
import { atLeast } from "./people/roles";
import type { Room, RoomPanel } from "./people/room";
import { countedFromPrompt, createSelections } from "./selections";
import { detachRun } from "./sessions";

/** A panel of the session on this page; it outlives changes of its record. */
export class Panel implements RoomPanel {
  record = $state.raw() as PanelRecord;
  captionText = $state("");
  noteText = $state("");
  node = $state.raw<HTMLElement | null>(null);
  context = $state.raw<ViewContext | null>(null);
  /** Of a run panel, once it is known. */
  known = $state.raw<Run | null>(null);
  /** Of a decoder's run, once its prompt is known. */
  promptLength: number | null = null;
  readonly detail = Object.assign(document.createElement("div"), { className: "detail" });
  readonly state: PanelState;

  readonly id: string;
  readonly kind: "run" | "note";
  readonly run: string | null;
  title = $derived(titleOfPanel(this));
  caption = $derived(this.captionText);
  report = $derived(this.record.report);

  constructor(record: PanelRecord, state: PanelState) {
    this.record = record;
    this.state = state;
    this.id = record.id;
    this.kind = record.kind;
    this.run = record.run;
  }

  take(record: PanelRecord): void {
    this.record = record;
    this.captionText = record.caption?.toString() ?? "";
    this.noteText = record.text?.toString() ?? "";
  }

  receive(event: { kind: string; total?: unknown }): void {
    if (event.kind === "prompt_tokens") this.promptLength = Number(event.total);
  }

  viewState(): Record<string, string> {
    return this.state.all();
  }
}

function titleOfPanel({ kind, known, noteText }: Panel): string {
  if (kind === "note") return firstLine(noteText) || "Note";
  if (!known) return "Run";
  const method = catalog.method(known.method)?.title.split(/[:.]/)[0] ?? known.method;
  const text = firstLine(textOf(known));
  return text ? `${method}: ${text}` : method;
}

const LONGEST = 120;

function firstLine(text: string): string {
  const line = text.split("\n").find((one) => one.trim()) ?? "";
  const plain = line.replace(/^[#>\s*-]+/, "").trim();
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST)}…` : plain;
}

export interface RoomParts {
  feed: SessionFeed;
  me: { id: string; name: string };
  connection: Connection;
  /** The panel of the address, with its view state. */
  first: { panel: string | null; state: Record<string, string> };
}

export class SessionRoom implements Room {
  readonly feed: SessionFeed;
  readonly me: { id: string; name: string };
  readonly connection: Connection;
  readonly awareness: Awareness;
  panels = $state.raw<readonly Panel[]>([]);
  active = $state<string | null>(null);
  title = $state("");
  canUndo = $state(false);
  canRedo = $state(false);
  /** Of this user, in this session. */
  edits = $derived.by(() => {
    const role = this.feed.session?.role;
    return role !== undefined && atLeast(role, "editor");
  });
  #undo: Y.UndoManager;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- `panels` is what is looked at
  #known = new Map<string, Panel>();
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nobody looks at it
  #removed = new Set<string>();
  #selection = createSelections();
  #first: RoomParts["first"];
  #stop: () => void;

  constructor({ feed, me, connection, first }: RoomParts) {
    this.feed = feed;
    this.me = me;
    this.connection = connection;
    this.awareness = connection.awareness;
    this.#first = first;
    this.active = first.panel;
    this.#undo = undoManagerOf(connection.doc);
    for (const event of ["stack-item-added", "stack-item-popped", "stack-cleared"] as const)
      this.#undo.on(event, () => this.#stacks());
    this.#stop = observe(connection.doc, (states, local) => {
      this.#read();
      for (const [id, keys] of states) this.#known.get(id)?.state.changed(keys, local);
    });
    this.#read();
  }

  get doc(): Y.Doc {
    return this.connection.doc;
  }

  get undoManager(): Y.UndoManager {
    return this.#undo;
  }

  /** Writes what waits to be written; runs that were taken out can no longer be read from here. */
  leave(): void {
    for (const panel of this.#known.values()) panel.state.flush();
    const standing = panelsIn(this.doc).map(({ run }) => run);
    for (const run of this.#removed) {
      // Undo may bring a panel back as long as the page is open, so this waits until it closes.
      if (!standing.includes(run)) void detachRun(this.feed.id, run).catch(() => undefined);
    }
    this.#removed.clear();
  }

  close(): void {
    this.leave();
    this.#stop();
    this.#undo.destroy();
  }

  #read(): void {
    const records = panelsIn(this.doc);
    const next = records.map((record) => {
      const panel = this.#known.get(record.id) ?? this.#open(record);
      panel.take(record);
      return panel;
    });
    // untrack: the document may change while an effect writes to it
    untrack(() => {
      const same = next.length === this.panels.length && next.every((p, i) => p === this.panels[i]);
      if (!same) this.panels = next;
      this.title = titleOf(this.doc);
    });
  }

  /** Panels that were deleted are remembered: undo brings them back. */
  #open(record: PanelRecord): Panel {
    const { id } = record;
    const stored = (): StoredState => this.#stored(id);
    const initial = this.#first.panel === id ? this.#first.state : {};
    const state = createPanelState(stored, () => untrack(() => this.active === id), initial);
    const panel = new Panel(record, state);
    this.#known.set(id, panel);
    return panel;
  }

  #stored(id: string): StoredState {
    const map = this.#known.get(id)?.record.state;
    return {
      get: (key) => map?.get(key) ?? null,
      keys: () => map?.keys() ?? [],
      put: untrack(() => this.edits) ? (changes) => keepState(this.doc, id, changes) : undefined,
    };
  }

  /** Where the view of a run is drawn. */
  placeOf(panel: Panel, run: Run): Place {
    const fields = fieldsOf(catalog.method(run.method)?.params_schema ?? {});
    return {
      detail: panel.detail,
      state: panel.state,
      selection: countedFromPrompt(this.#selection(run, fields), () => panel.promptLength),
      keys: this.#keysOf(panel.id),
      prefix: `p${panel.id.slice(0, 8)}-`,
    };
  }

  #keysOf(id: string): Keys {
    return (press) => {
      const pressed = (event: KeyboardEvent) => {
        if (this.active === id) press(event);
      };
      document.addEventListener("keydown", pressed);
      return () => document.removeEventListener("keydown", pressed);
    };
  }

  panel(id: string | null): Panel | null {
    return this.panels.find((panel) => panel.id === id) ?? null;
  }

  open(id: string, state?: Record<string, string>): void {
    const panel = this.panel(id);
    if (!panel) return;
    if (state) panel.state.show(state);
    this.active = id;
    panel.node?.scrollIntoView({ block: "nearest" });
  }

  #stacks(): void {
    this.canUndo = this.#undo.undoStack.length > 0;
    this.canRedo = this.#undo.redoStack.length > 0;
  }

  /** One step of undo each. */
  #edit<Result>(change: () => Result): Result {
    this.#undo.stopCapturing();
    const result = change();
    this.#undo.stopCapturing();
    return result;
  }

  add(panel: NewPanel, after: string | null = null): void {
    this.active = this.#edit(() => addPanel(this.doc, panel, after));
  }

  copy(id: string): void {
    this.#known.get(id)?.state.flush();
    this.active = this.#edit(() => copyPanel(this.doc, id)) ?? this.active;
  }

  remove(id: string): void {
    const at = this.panels.findIndex((panel) => panel.id === id);
    const run = this.panels[at]?.run;
    if (run) this.#removed.add(run);
    this.#edit(() => removePanel(this.doc, id));
    if (this.active === id) this.active = (this.panels[at] ?? this.panels[at - 1])?.id ?? null;
  }

  move(id: string, before: string | null): void {
    this.#edit(() => movePanel(this.doc, id, before));
  }

  step(id: string, by: -1 | 1): void {
    this.#edit(() => stepPanel(this.doc, id, by));
  }

  lay(id: string, layout: PanelLayout): void {
    this.#edit(() => layPanel(this.doc, id, layout));
  }

  rename(title: string): void {
    this.#edit(() => rename(this.doc, title));
  }

  captionOf(id: string): Y.Text | null {
    return captionOf(this.doc, id);
  }

  undo(): void {
    this.#undo.undo();
  }

  redo(): void {
    this.#undo.redo();
  }
}
