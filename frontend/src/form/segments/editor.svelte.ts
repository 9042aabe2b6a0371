// The documents of the run being prepared: read from the form's values, changed with undo.

import { draft } from "../draft.svelte";
import { equal, type Field } from "../schema";
import { NOTHING, withEdge, type Documents, type Edge, type Segment } from "./documents";
import { begun, changed, redone, undone, type History } from "./history";

const fieldOf = (control: Field["control"]) =>
  draft.fields.find((field) => field.control === control);

class Editor {
  #history = $state.raw<History<Documents>>(begun(NOTHING));
  /** The segment from which an edge is being drawn by keyboard or by two clicks. */
  source = $state<string | null>(null);

  documents = $derived.by<Documents>(() => ({
    segments: this.#read<Segment>("segments"),
    edges: this.#read<Edge>("edges"),
  }));
  /** The form may have been filled anew since the last change here. */
  #own = $derived(equal(this.#history.now, this.documents));
  canUndo = $derived(this.#own && this.#history.past.length > 0);
  canRedo = $derived(this.#own && this.#history.future.length > 0);

  #read<Item>(control: "segments" | "edges"): Item[] {
    const value = draft.values[fieldOf(control)?.name ?? control];
    return Array.isArray(value) ? ($state.snapshot(value) as Item[]) : [];
  }

  /** Changes that name the same part one after the other are undone as one. */
  change(next: Documents, part: string | null = null): void {
    const history = this.#own ? this.#history : begun(this.documents);
    this.#write(changed(history, next, part));
  }

  /** Ends what `source` began; says what came of it. */
  connect(source: string, target: string): string {
    this.source = null;
    if (source === target) return "No edge: every segment reads itself.";
    const next = withEdge(this.documents, { source, target });
    if (next === this.documents) return `Segment ${target} reads ${source} already.`;
    this.change(next);
    return `Segment ${target} now reads ${source}.`;
  }

  undo(): void {
    if (this.canUndo) this.#write(undone(this.#history));
  }

  redo(): void {
    if (this.canRedo) this.#write(redone(this.#history));
  }

  #write(history: History<Documents>): void {
    this.#history = history;
    for (const control of ["segments", "edges"] as const) {
      draft.values[fieldOf(control)?.name ?? control] = history.now[control];
    }
  }
}

export const editor = new Editor();
