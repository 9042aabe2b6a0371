// Keys by what they do, as the help lists them.

type Meaning = [key: string, meaning: string];

export const PICTURE_KEYS: Meaning[] = [
  ["← → ↑ ↓", "Move the selected token or cell; among output tokens, the target"],
  ["Shift + ← →", "Select a span of tokens"],
  ["Home End", "First and last token"],
  ["n Shift + n", "Long text: next and previous of the strongest tokens"],
  ["p", "Pin the selected token as reference"],
  ["c", "Compare the pinned output token with the selected one"],
  ["f Shift + f", "Next and previous branch point of a decoder's text"],
  ["← → Space", "Masked-diffusion canvas: previous and next step, play and pause"],
  ["[ ] { }", "Previous and next layer and head (or score, or restored part)"],
  ["x Enter", "Information flow: add or remove a cut"],
  ["Ctrl + Z", "Undo a change of cuts; with Shift, redo"],
  ["Esc", "Close the open menu or dialog, else clear the selection"],
];

export const PAGE_KEYS: Meaning[] = [
  ["e", "Segment editor: draw an edge from the segment; Alt ↑ ↓ moves it, Delete deletes it"],
  ["Ctrl + Z", "Session: undo your last change; with Shift, redo"],
  ["← → ↑ ↓", "Panel handle: move the panel; panel corner: resize it"],
  ["m", "Session: comment on the selection"],
  ["Ctrl + Enter", "Run"],
  ["?", "Show this help"],
];
