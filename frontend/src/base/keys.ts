// Keys by what they do, as the help lists them.

type Meaning = [key: string, meaning: string];

export const PICTURE_KEYS: Meaning[] = [
  ["← → ↑ ↓", "Move the primary token or cell; on output tokens, the target"],
  ["Shift + ← →", "Choose a span of tokens"],
  ["Home End", "First and last token"],
  ["p", "Pin the primary token as reference"],
  ["c", "Compare the pinned output token with the primary one"],
  ["f Shift + f", "Next and previous fork of a decoder's text"],
  ["← → Space", "On a canvas of tokens: step back and forward, play and pause"],
  ["[ ] { }", "Layer and head (or score, or restored part) that pictures show"],
  ["x Enter", "In a flow of information: cut or restore the edge to the reader"],
  ["Ctrl + Z", "Undo a choice of edges; with Shift, redo"],
  ["Esc", "Close what lies above the pictures, else clear the selection"],
];

export const PAGE_KEYS: Meaning[] = [
  ["e", "On a segment of the form: draw an edge from it; Alt ↑ ↓ moves it, Delete deletes it"],
  ["Ctrl + Z", "In a session: undo what you changed; with Shift, redo"],
  ["← → ↑ ↓", "On a panel's handle: move it; on its corner: another size"],
  ["m", "In a session: comment on what is selected"],
  ["Ctrl + Enter", "Run"],
  ["?", "This help"],
];
