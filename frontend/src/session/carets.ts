// Where the others write: their carets and selections in a text, sent through awareness.
// y-codemirror's own are drawn with style attributes, which our content policy forbids.

import {
  Decoration,
  ViewPlugin,
  WidgetType,
  type DecorationSet,
  type EditorView,
  type ViewUpdate,
} from "@codemirror/view";
import type { Extension, Range } from "@codemirror/state";
import type { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";

/** In the awareness of a client. */
const FIELD = "caret";

interface Written {
  anchor: unknown;
  head: unknown;
}

interface Other {
  client: number;
  name: string;
  colour: string;
  from: number;
  to: number;
  head: number;
}

class Caret extends WidgetType {
  constructor(
    readonly name: string,
    readonly colour: string,
  ) {
    super();
  }

  override eq(other: Caret): boolean {
    return other.name === this.name && other.colour === this.colour;
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = `caret ${this.colour}`;
    caret.dataset.name = this.name; // drawn by the style sheet: it is no part of the text
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

export function carets(text: Y.Text, awareness: Awareness): Extension {
  return ViewPlugin.define((view) => new Carets(view, text, awareness), {
    decorations: (plugin) => plugin.decorations,
  });
}

class Carets {
  decorations: DecorationSet;
  #said = "";
  readonly #changed = () => this.view.dispatch({});

  constructor(
    private readonly view: EditorView,
    private readonly text: Y.Text,
    private readonly awareness: Awareness,
  ) {
    this.decorations = this.#draw();
    awareness.on("change", this.#changed);
  }

  update(update: ViewUpdate): void {
    if (update.selectionSet || update.focusChanged || update.docChanged) this.#send();
    this.decorations = this.#draw();
  }

  destroy(): void {
    this.awareness.off("change", this.#changed);
    this.#say(null);
  }

  #send(): void {
    const { anchor, head } = this.view.state.selection.main;
    const at = (index: number) => Y.createRelativePositionFromTypeIndex(this.text, index);
    this.#say(this.view.hasFocus ? { anchor: at(anchor), head: at(head) } : null);
  }

  /** After this update: awareness calls its listeners at once, and they draw. */
  #say(written: Written | null): void {
    const said = JSON.stringify(written);
    if (said === this.#said || (written === null && this.#said === "")) return;
    this.#said = said;
    queueMicrotask(() => this.awareness.setLocalStateField(FIELD, written));
  }

  #draw(): DecorationSet {
    const length = this.view.state.doc.length;
    const marks = this.#others().flatMap(({ name, colour, from, to, head }) => {
      const caret = Decoration.widget({ widget: new Caret(name, colour), side: 1 });
      const ranges: Range<Decoration>[] = [caret.range(Math.min(head, length))];
      const chosen = Decoration.mark({ class: `chosen ${colour}` });
      if (from < to && to <= length) ranges.push(chosen.range(from, to));
      return ranges;
    });
    return Decoration.set(marks, true);
  }

  #others(): Other[] {
    return [...this.awareness.getStates()].flatMap(([client, state]) => {
      const written = state[FIELD] as Written | null | undefined;
      if (client === this.awareness.clientID || !written) return [];
      const [anchor, head] = [this.#index(written.anchor), this.#index(written.head)];
      if (anchor === null || head === null) return [];
      const user = state.user as { name?: unknown; colour?: unknown } | undefined;
      const colour = /^[a-z]{1,16}$/.test(String(user?.colour)) ? `person-${user?.colour}` : "";
      const [from, to] = [Math.min(anchor, head), Math.max(anchor, head)];
      return [{ client, name: String(user?.name ?? "Somebody"), colour, from, to, head }];
    });
  }

  /** null: in another text, or nowhere. */
  #index(position: unknown): number | null {
    const { doc } = this.text;
    if (!doc || !position) return null;
    const found = Y.createAbsolutePositionFromRelativePosition(
      Y.createRelativePositionFromJSON(position),
      doc,
    );
    return found?.type === this.text ? found.index : null;
  }
}
