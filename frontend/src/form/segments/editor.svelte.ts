// The documents of the run being prepared: read from the form's values, changed with undo.

import { draft } from "../draft.svelte";
import { equal } from "../../base/equal";
import { type Field } from "../schema";
import { NOTHING, withEdge, type Documents, type Edge, type Segment } from "./documents";
import { begun, changed, redone, undone, type History } from "./history";
import { givenSegments } from "./reading";
import { asPreset, presetEdges } from "./structure";

const fieldOf = (control: Field["control"]) =>
  draft.fields.find((field) => field.control === control);
const nameOf = (control: "segments" | "edges") => fieldOf(control)?.name ?? control;

class Editor {
  #history = $state.raw<History<Documents>>(begun(NOTHING));
  /** The segment from which an edge is being drawn by keyboard or by two clicks. */
  source = $state<string | null>(null);

  documents = $derived.by<Documents>(() => {
    const segments = givenSegments($state.snapshot(draft.values[nameOf("segments")]));
    return { segments, edges: this.#edges(segments) };
  });
  /** The form may have been refilled since the last change here. */
  #own = $derived(equal(this.#history.now, this.documents));
  canUndo = $derived(this.#own && this.#history.past.length > 0);
  canRedo = $derived(this.#own && this.#history.future.length > 0);

  /** A run may name a preset instead of its edges. */
  #edges(segments: readonly Segment[]): Edge[] {
    const preset = asPreset(String(draft.values.preset));
    if (preset) return presetEdges(segments, preset, Number(draft.values.top_m));
    const given = $state.snapshot(draft.values[nameOf("edges")]);
    return Array.isArray(given) ? (given as Edge[]) : [];
  }

  /** Changes that name the same part one after the other are undone as one. */
  change(next: Documents, part: string | null = null): void {
    const history = this.#own ? this.#history : begun(this.documents);
    this.#write(changed(history, next, part));
  }

  /** Ends what `source` began; says what came of it. */
  connect(source: string, target: string): string {
    this.source = null;
    if (source === target) return "No edge added: every segment attends to itself.";
    const next = withEdge(this.documents, { source, target });
    if (next === this.documents) return `Segment ${target} already attends to ${source}.`;
    this.change(next);
    return `Segment ${target} now reads ${source}.`;
  }

  undo(): void {
    if (this.canUndo) this.#write(undone(this.#history));
  }

  redo(): void {
    if (this.canRedo) this.#write(redone(this.#history));
  }

  /** The edges are written out; what a preset would add to them returns to the default. */
  #write(history: History<Documents>): void {
    this.#history = history;
    for (const control of ["segments", "edges"] as const) {
      draft.values[nameOf(control)] = history.now[control];
    }
    for (const field of draft.fields) {
      if (field.control === "structure") draft.values[field.name] = field.default;
    }
  }
}

export const editor = new Editor();
