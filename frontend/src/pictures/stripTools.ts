// What stands above a long text: its map, the way to its strongest tokens, search, and the whole.

import { counted } from "../base/plural";
import { button, element, say } from "./dom";
import { createMinimap } from "./minimap";
import { STRONGEST, type LongText, type Range } from "./stripFold";

export interface ToolsActions {
  /** Moves to the next (1) or the previous (-1) of the strongest tokens. */
  strongest(by: 1 | -1): void;
  all(): void;
  fold(): void;
  /** 0: the text to look for is another. */
  find(wanted: string, by: 1 | -1 | 0): void;
  text(): string;
  jump(place: number): void;
  open(place: number): void;
}

export interface ToolsState {
  text: LongText;
  shown: Uint8Array;
  all: boolean;
  /** Something is shown that was folded at first. */
  opened: boolean;
  /** Among the strongest, from 0; -1: none of them. */
  rank: number;
  /** Number of the occurrence that is shown, from 1, and of all. */
  found: readonly [number, number];
}

export interface StripTools {
  show(state: ToolsState): void;
  view(places: Range): void;
  hover(place: number | null): void;
  destroy(): void;
}

const MAP =
  "The colour at each place is that of its strongest token; the line below marks what is shown, " +
  "the frame what is in view. Arrow keys move the view, Enter opens the text there.";

let count = 0;

/** Stands before the list and describes it. */
export function createStripTools(list: HTMLElement, actions: ToolsActions): StripTools {
  const map = createMinimap(actions, MAP);
  const strongest = createStrongest(actions);
  const finder = createFinder(actions);
  const all = button("", actions.all, { class: "quiet" });
  const fold = button("Fold again", actions.fold, { class: "quiet" });
  const copy = button("Copy text", () => void copyText(), { class: "quiet strip-copy" });
  const id = `strip-summary-${++count}`;
  const summary = element("span", { class: "strip-summary muted", id });
  const row = element(
    "div",
    { class: "strip-row" },
    strongest.node,
    finder.node,
    all,
    fold,
    copy,
    summary,
  );
  const node = element("div", { class: "strip-tools" }, map.node, row);
  list.before(node);
  list.setAttribute("aria-describedby", id);
  const onCopy = (event: ClipboardEvent) => {
    event.clipboardData?.setData("text/plain", actions.text());
    event.preventDefault();
  };
  list.addEventListener("copy", onCopy);

  async function copyText(): Promise<void> {
    const said = await navigator.clipboard.writeText(actions.text()).then(
      () => "Copied",
      () => "Clipboard unavailable",
    );
    copy.textContent = said;
    setTimeout(() => (copy.textContent = "Copy text"), 1500);
  }

  return {
    show(state) {
      map.render(state.text, state.shown);
      strongest.show(state);
      finder.show(state.found);
      const { length } = state.text.tokens;
      all.textContent = `Show all ${length.toLocaleString("en")} tokens`;
      all.hidden = state.all;
      fold.hidden = !state.all && !state.opened;
      say(summary, summaryOf(state));
    },
    view: map.view,
    hover: map.hover,
    destroy() {
      node.remove();
      list.removeEventListener("copy", onCopy);
      list.removeAttribute("aria-describedby");
    },
  };
}

function summaryOf({ text, shown, all, opened }: ToolsState): string {
  const { length } = text.tokens;
  if (all) return `All ${counted(length, "token")} shown.`;
  const visible = shown.reduce((sum, one) => sum + one, 0);
  const part = `${visible.toLocaleString("en")} of ${counted(length, "token")} shown`;
  const strongest = Math.min(STRONGEST, text.peaks.length);
  if (strongest === 0) return `${part}: the ends.`;
  const more = opened ? ", the ends and what you opened." : ", and the ends.";
  return `${part}: the ${strongest} strongest with their context${more}`;
}

function createStrongest({ strongest }: ToolsActions) {
  const back = button("◀ stronger", () => strongest(-1), {
    class: "chip",
    title: "Previous by size, either sign (N)",
  });
  const next = button("next strongest ▶", () => strongest(1), {
    class: "chip",
    title: "Next by size, either sign (n)",
  });
  const output = element("output", { class: "muted" });
  const node = element("span", { class: "strip-strongest" }, back, output, next);
  return {
    node,
    show({ text, rank }: ToolsState): void {
      const all = text.peaks.length;
      node.hidden = all === 0;
      say(
        output,
        rank < 0 ? `${counted(all, "score")}` : `${rank + 1} / ${all.toLocaleString("en")}`,
      );
      (back as HTMLButtonElement).disabled = rank <= 0;
      (next as HTMLButtonElement).disabled = rank === all - 1;
    },
  };
}

function createFinder({ find }: ToolsActions) {
  const input = element("input", { type: "search", "aria-label": "Find in this text" });
  const field = input as HTMLInputElement;
  field.placeholder = "Find";
  const output = element("output", { class: "muted" });
  field.addEventListener("input", () => find(field.value, 0));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    find(field.value, event.shiftKey ? -1 : 1);
  });
  return {
    node: element("span", { class: "strip-find" }, field, output),
    show([at, all]: readonly [number, number]): void {
      say(output, field.value ? `${at.toLocaleString("en")} / ${all.toLocaleString("en")}` : "");
    },
  };
}
