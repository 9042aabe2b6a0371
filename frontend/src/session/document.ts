// The document of a session, and what can be done to it. Concurrent edits merge in Yjs; order is a
// fractional index, so that two moves at once both hold.

import { generateKeyBetween } from "fractional-indexing";
import * as Y from "yjs";
import { uuid } from "../base/uuid";

export const SPANS = [4, 6, 12] as const;
export type Span = (typeof SPANS)[number];

/** Lowest a panel can be made, in pixels. */
export const LOWEST = 160;
export const HEIGHT = 560;

type PanelMap = Y.Map<unknown>;

export interface PanelRecord {
  id: string;
  kind: "run" | "note";
  place: string;
  /** Of 12 columns. */
  span: Span;
  /** In pixels; null: as high as its content. */
  height: number | null;
  run: string | null;
  /** Of a note; Markdown. */
  text: Y.Text | null;
  /** Markdown, one paragraph. */
  caption: Y.Text | null;
  state: Y.Map<string> | null;
  /** Whether it goes into reports. */
  report: boolean;
}

/** Changes that undo takes back. */
export const EDIT = Symbol("edit");
/** Changes of what is looked at; undo leaves them. */
export const VIEW_CHANGE = Symbol("view");

const panelsOf = (doc: Y.Doc) => doc.getMap<PanelMap>("panels");
const metaOf = (doc: Y.Doc) => doc.getMap<string>("meta");

export const titleOf = (doc: Y.Doc) => metaOf(doc).get("title") ?? "";

/** In their order; what is no panel is left out. */
export function panelsIn(doc: Y.Doc): PanelRecord[] {
  const found = [...panelsOf(doc)].flatMap(([id, map]) => readPanel(id, map) ?? []);
  return found.sort((a, b) => compare(a.place, b.place) || compare(a.id, b.id));
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function readPanel(id: string, map: unknown): PanelRecord | null {
  if (!(map instanceof Y.Map)) return null;
  const [kind, run, height] = [map.get("kind"), map.get("run"), map.get("height")];
  if (kind !== "note" && (kind !== "run" || typeof run !== "string")) return null;
  const text = (key: string) => (map.get(key) instanceof Y.Text ? (map.get(key) as Y.Text) : null);
  const state = map.get("state");
  return {
    id,
    kind,
    place: String(map.get("place") ?? ""),
    span: SPANS.find((span) => span === map.get("span")) ?? 12,
    height: typeof height === "number" && Number.isFinite(height) ? Math.max(LOWEST, height) : null,
    run: kind === "run" ? (run as string) : null,
    text: kind === "note" ? text("text") : null,
    caption: text("caption"),
    state: state instanceof Y.Map ? (state as Y.Map<string>) : null,
    report: map.get("report") !== false,
  };
}

export function undoManagerOf(doc: Y.Doc): Y.UndoManager {
  return new Y.UndoManager([metaOf(doc), panelsOf(doc)], { trackedOrigins: new Set([EDIT]) });
}

const edit = <Result>(doc: Y.Doc, change: () => Result): Result => doc.transact(change, EDIT);

export function rename(doc: Y.Doc, title: string): void {
  if (title !== titleOf(doc)) edit(doc, () => metaOf(doc).set("title", title));
}

export interface NewPanel {
  kind: "run" | "note";
  run?: string;
  text?: string;
  caption?: string;
  span?: Span;
  height?: number | null;
  state?: Record<string, string>;
}

/** Adds a panel after another one, or at the end; its id. */
export function addPanel(doc: Y.Doc, panel: NewPanel, after: string | null = null): string {
  const id = uuid();
  edit(doc, () => {
    const map = new Y.Map<unknown>();
    map.set("kind", panel.kind);
    map.set("place", placeAfter(panelsIn(doc), after));
    map.set("span", panel.span ?? 12);
    map.set("height", panel.height ?? null);
    if (panel.kind === "run") map.set("run", panel.run);
    else map.set("text", new Y.Text(panel.text ?? ""));
    map.set("caption", new Y.Text(panel.caption ?? ""));
    map.set("state", new Y.Map(Object.entries(panel.state ?? {})));
    map.set("report", true);
    panelsOf(doc).set(id, map);
  });
  return id;
}

/** The same panel once more, behind itself; its id. */
export function copyPanel(doc: Y.Doc, id: string): string | null {
  const panel = panelsIn(doc).find((one) => one.id === id);
  if (!panel) return null;
  const { kind, run, span, height, text, caption, state } = panel;
  const copy = {
    kind,
    run: run ?? undefined,
    span,
    height,
    text: text?.toString(),
    caption: caption?.toString(),
    state: state?.toJSON() as Record<string, string> | undefined,
  };
  return addPanel(doc, copy, id);
}

export const removePanel = (doc: Y.Doc, id: string): void =>
  edit(doc, () => panelsOf(doc).delete(id));

/** Moves a panel before another one; null: to the end. */
export function movePanel(doc: Y.Doc, id: string, before: string | null): void {
  const all = panelsIn(doc);
  const now = all.findIndex((panel) => panel.id === id);
  const next = all[now + 1]?.id ?? null;
  if (now < 0 || before === id || before === next) return;
  const others = all.filter((panel) => panel.id !== id);
  const at = before === null ? others.length : others.findIndex((panel) => panel.id === before);
  if (at < 0) return;
  set(doc, id, { place: placeAt(others, at) });
}

/** One place earlier or later. */
export function stepPanel(doc: Y.Doc, id: string, by: -1 | 1): void {
  const ids = panelsIn(doc).map((panel) => panel.id);
  const to = ids.indexOf(id) + by;
  if (to < 0 || to >= ids.length) return;
  movePanel(doc, id, by < 0 ? (ids[to] ?? null) : (ids[to + 1] ?? null));
}

export interface PanelLayout {
  span?: Span;
  height?: number | null;
  report?: boolean;
}

export function layPanel(doc: Y.Doc, id: string, { height, ...rest }: PanelLayout): void {
  const size =
    height === undefined ? {} : { height: height && Math.max(LOWEST, Math.round(height)) };
  set(doc, id, { ...rest, ...size });
}

/** Keeps what a panel shows for all; null removes a key. */
export function keepState(doc: Y.Doc, id: string, changes: ReadonlyMap<string, string | null>) {
  const state = panelsOf(doc).get(id)?.get("state");
  if (!(state instanceof Y.Map)) return;
  doc.transact(() => {
    for (const [key, value] of changes) {
      if (value === null) state.delete(key);
      else if (state.get(key) !== value) state.set(key, value);
    }
  }, VIEW_CHANGE);
}

/** A caption that was never begun, or was lost, begins empty. */
export function captionOf(doc: Y.Doc, id: string): Y.Text | null {
  const map = panelsOf(doc).get(id);
  if (!map) return null;
  if (!(map.get("caption") instanceof Y.Text))
    doc.transact(() => map.set("caption", new Y.Text()), VIEW_CHANGE);
  return map.get("caption") as Y.Text;
}

function set(doc: Y.Doc, id: string, values: Record<string, unknown>): void {
  const map = panelsOf(doc).get(id);
  if (!map) return;
  edit(doc, () => {
    for (const [key, value] of Object.entries(values))
      if (map.get(key) !== value) map.set(key, value);
  });
}

function placeAfter(panels: readonly PanelRecord[], after: string | null): string {
  const at = panels.findIndex((panel) => panel.id === after);
  return placeAt(panels, at < 0 ? panels.length : at + 1);
}

/** Two put at one place at once share a key; what is put between them comes after both. */
function placeAt(panels: readonly PanelRecord[], at: number): string {
  const before = panels[at - 1]?.place ?? null;
  const after = panels.slice(at).find(({ place }) => before === null || place > before);
  return generateKeyBetween(valid(before), valid(after?.place ?? null));
}

/** Keys that another program wrote badly count as none. */
function valid(place: string | null): string | null {
  if (!place) return null;
  try {
    generateKeyBetween(place, null);
    return place;
  } catch {
    return null;
  }
}

/** Tells of each change: the panels whose view state changed, and whether it was changed here. */
export function observe(
  doc: Y.Doc,
  changed: (states: ReadonlyMap<string, ReadonlySet<string>>, local: boolean) => void,
): () => void {
  const notify = (events: Y.YEvent<Y.AbstractType<unknown>>[], transaction: Y.Transaction) => {
    const states = new Map<string, ReadonlySet<string>>();
    for (const event of events) {
      const [id, part] = event.path;
      if (part === "state" && event instanceof Y.YMapEvent)
        states.set(String(id), event.keysChanged as Set<string>);
    }
    changed(states, transaction.local);
  };
  const [panels, meta] = [panelsOf(doc), metaOf(doc)];
  panels.observeDeep(notify);
  meta.observeDeep(notify);
  return () => {
    panels.unobserveDeep(notify);
    meta.unobserveDeep(notify);
  };
}
