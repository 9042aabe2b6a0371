// A row of tokens that wraps as text: fill = value, border and underline = state.

import { plainKey, viewKey } from "../view/keys";
import type { Keys } from "../view/view";
import { element } from "./dom";
import { showOthers, type OthersMarks } from "./stripOthers";
import { isLong } from "./stripFold";
import { LongStrip } from "./longStrip";
import { keyOf, type StripMarks, type StripSection, type StripToken } from "./stripToken";
import { createWholeStrip, type StripDrawing } from "./wholeStrip";

export type { StripMarks, StripSection, StripToken };

export interface StripHandlers {
  hover(key: number | null): void;
  choose(key: number): void;
  /** Dragged or shift-clicked from one token to another. */
  extend(from: number, to: number): void;
  others?: OthersMarks;
  /** Keys of the view: with them, n and N lead through the strongest tokens of a long text. */
  keys?: Keys;
}

export interface TokenStrip {
  render(sections: StripSection[]): void;
  mark(marks: StripMarks): void;
  destroy(): void;
}

export function createTokenStrip(
  root: HTMLElement,
  label: string,
  handlers: StripHandlers,
): TokenStrip {
  const node = root.appendChild(
    element("div", { class: "strip", role: "listbox", "aria-label": label }),
  );
  let showAgain = () => {};
  let marks: StripMarks | null = null;
  const drawn = () => showAgain();
  let drawing: StripDrawing = createWholeStrip(node, drawn);
  let long: LongStrip | null = null;
  const others = handlers.others && showOthers(handlers.others, () => drawing.elements());
  if (others) showAgain = others.put;

  /** A text can become long as it arrives, or another text is shown. */
  function choose(sections: StripSection[]): void {
    if (isLong(sections) === (long !== null)) return;
    drawing.clear();
    const own = { hover: handlers.hover, drawn, commented: () => others?.commented() ?? [] };
    long = long ? null : new LongStrip(node, own);
    drawing = long ?? createWholeStrip(node, drawn);
    if (marks) long?.mark(marks);
  }

  listen(node, handlers, {
    primary: () => marks?.primary ?? null,
    step: (from, key) => drawing.step(from, key),
    open: (gap) => long?.openGap(gap),
  });
  const go = (event: KeyboardEvent) => {
    const by = { n: 1, N: -1 }[viewKey(event) ?? ""] as 1 | -1 | undefined;
    if (!by || !long) return;
    event.preventDefault();
    long.goToStrongest(by);
  };
  node.addEventListener("keydown", go);
  const stopKeys = handlers.keys?.(go);

  return {
    render(sections) {
      choose(sections);
      drawing.render(sections);
    },
    mark(now) {
      marks = now;
      drawing.mark(now);
    },
    destroy() {
      stopKeys?.();
      drawing.clear();
    },
  };
}

interface Listening {
  primary(): number | null;
  step(from: HTMLElement, key: string): HTMLElement | null;
  open(gap: HTMLElement): void;
}

const at = (event: Event, what: string) => (event.target as Element).closest<HTMLElement>(what);
const tokenAt = (event: Event) => at(event, ".token");

function listen(list: HTMLElement, handlers: StripHandlers, strip: Listening): void {
  let anchor: number | null = null;
  list.addEventListener("pointerdown", (event) => {
    const token = tokenAt(event);
    if (!token || event.button !== 0) return;
    if (event.pointerType === "mouse" && !event.shiftKey) anchor = keyOf(token);
  });
  list.addEventListener("pointerover", (event) => {
    const token = tokenAt(event);
    handlers.hover(token ? keyOf(token) : null);
    if (token && anchor !== null && event.buttons === 1 && anchor !== keyOf(token)) {
      handlers.extend(anchor, keyOf(token));
    }
  });
  list.addEventListener("pointerleave", () => handlers.hover(null));
  list.addEventListener("click", (event) => {
    const gap = at(event, ".gap");
    if (gap) return strip.open(gap);
    const token = tokenAt(event);
    const from = event.shiftKey ? strip.primary() : null;
    if (!token) return;
    const dragged = anchor !== null && anchor !== keyOf(token);
    anchor = null;
    if (from !== null) handlers.extend(from, keyOf(token));
    else if (!dragged) handlers.choose(keyOf(token));
  });
  list.addEventListener("keydown", (event) => moveByKey(event, handlers, strip));
}

function moveByKey(event: KeyboardEvent, handlers: StripHandlers, strip: Listening): void {
  const [token, gap] = [tokenAt(event), at(event, ".gap")];
  const from = token ?? gap;
  const key = plainKey(event);
  if (!from || key === null) return;
  const pressed = key === "Enter" || key === " ";
  const to = pressed ? from : strip.step(from, key);
  if (!to) return;
  event.preventDefault();
  if (to === gap && pressed) return strip.open(gap);
  const next = to.classList.contains("gap") ? null : keyOf(to);
  if (next !== null && event.shiftKey && to !== from && token) {
    handlers.extend(keyOf(token), next);
  } else if (next !== null) handlers.choose(next);
  to.focus();
}
