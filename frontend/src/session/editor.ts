// A text that several write at once. It is in a shadow root: there CodeMirror uses constructed
// style sheets, elsewhere style elements, which our content policy forbids.

import { defaultKeymap } from "@codemirror/commands";
import {
  defineLanguageFacet,
  HighlightStyle,
  Language,
  syntaxHighlighting,
} from "@codemirror/language";
import { EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { parser } from "@lezer/markdown";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
import type { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";
import { carets } from "./carets";

export interface Editing {
  text: Y.Text;
  undo: Y.UndoManager;
  awareness: Awareness;
  /** What it is, for screen readers. */
  label: string;
  hint: string;
  /** Ends the editing: Escape, Ctrl+Enter, or Enter in a single line. */
  done(): void;
  singleLine?: boolean;
}

/** The bare grammar: CodeMirror's own package brings HTML, CSS and JavaScript along. */
const markdown = new Language(defineLanguageFacet(), parser, [], "markdown");

const PEOPLE = ["blue", "orange", "teal", "violet", "olive", "magenta", "brown", "slate"];

const editorTheme = EditorView.theme({
  "&": { font: "inherit", color: "var(--ink)", backgroundColor: "var(--paper)" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "1px" },
  // Lines wrap, so nothing scrolls; names above carets may overflow.
  ".cm-scroller": { font: "inherit", lineHeight: "1.5", overflow: "visible" },
  ".cm-content": { padding: "8px 10px", caretColor: "var(--ink)" },
  ".cm-line": { padding: "0" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-placeholder": { color: "var(--muted)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": {
    background: "color-mix(in srgb, var(--accent) 28%, transparent) !important",
  },
  ".caret": {
    position: "relative",
    borderLeft: "2px solid var(--person, var(--muted))",
    marginLeft: "-1px",
    marginRight: "-1px",
  },
  ".caret::after": {
    content: "attr(data-name)",
    position: "absolute",
    left: "-2px",
    bottom: "100%",
    zIndex: "2",
    padding: "0 5px",
    borderRadius: "4px 4px 4px 0",
    background: "var(--person, var(--muted))",
    color: "var(--paper)",
    font: "600 11px/1.4 var(--font)",
    whiteSpace: "nowrap",
    pointerEvents: "none",
  },
  ".chosen": { background: "color-mix(in srgb, var(--person, var(--muted)) 25%, transparent)" },
  ...Object.fromEntries(
    PEOPLE.map((colour) => [`.person-${colour}`, { "--person": `var(--person-${colour})` }]),
  ),
});

const marks = HighlightStyle.define([
  { tag: tags.heading, fontWeight: "650" },
  { tag: tags.strong, fontWeight: "650" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: [tags.monospace, tags.url], fontFamily: "var(--mono)" },
  { tag: [tags.processingInstruction, tags.contentSeparator], color: "var(--muted)" },
]);

/** Opens the editor in the host, which has to be fresh; returns the function that ends it. */
export function openEditor(host: HTMLElement, editing: Editing): () => void {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const state = EditorState.create({
    doc: editing.text.toString(),
    extensions: extensionsOf(editing),
  });
  const view = new EditorView({ state, root, parent: root });
  view.dispatch({ selection: { anchor: view.state.doc.length } });
  view.focus();
  // Keys typed here are no keys of the page.
  const keep = (event: Event) => event.stopPropagation();
  host.addEventListener("keydown", keep);
  return () => {
    host.removeEventListener("keydown", keep);
    view.destroy();
  };
}

function extensionsOf(editing: Editing): Extension[] {
  const { text, undo, awareness, label, hint, singleLine } = editing;
  const done = () => {
    editing.done();
    return true;
  };
  const ends = [
    { key: "Escape", run: done },
    { key: "Mod-Enter", run: done },
    ...(singleLine ? [{ key: "Enter", run: done }] : []),
  ];
  return [
    keymap.of([...ends, ...yUndoManagerKeymap, ...defaultKeymap]),
    drawSelection(),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "true" }),
    placeholder(hint),
    markdown,
    syntaxHighlighting(marks),
    editorTheme,
    yCollab(text, null, { undoManager: undo }),
    carets(text, awareness),
    ...(singleLine ? [oneLine] : []),
  ];
}

/** What is pasted into a single line loses its breaks. */
const oneLine = EditorState.transactionFilter.of((transaction) =>
  transaction.docChanged && transaction.isUserEvent("input") && transaction.newDoc.lines > 1
    ? [
        {
          changes: {
            from: 0,
            to: transaction.startState.doc.length,
            insert: transaction.newDoc.toString().replace(/\s*\n\s*/g, " "),
          },
        },
      ]
    : transaction,
);
