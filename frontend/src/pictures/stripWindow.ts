// The lines of a long text that are in view, and no others, in a frame that scrolls.

import { select } from "d3-selection";
import { counted } from "../base/plural";
import { gapText, type LongText, type Range } from "./stripFold";
import { heightOf, linesWithin, type Line, type LineItem, type Page } from "./stripLines";
import { enterToken, identityOf, tokenClass, updateToken } from "./stripToken";

export interface StripWindow {
  page(text: LongText): Page;
  show(text: LongText, lines: readonly Line[]): void;
  /** Draws what is in view by now. */
  draw(): void;
  /** Moves the line into view; where it is there already, nothing moves. */
  bring(line: number): void;
  /** Moves that share of the whole to the middle. */
  centre(line: number): void;
  /** Places of the tokens in view. */
  inView(): Range;
  clear(): void;
}

export interface WindowHandlers {
  /** Other lines are in view. */
  drawn(): void;
  /** Lines are as wide, or letters as large, no more. */
  resized(): void;
}

const BEYOND = 3; // lines drawn above and below what is in view
const GUESS = { width: 760, height: 262, size: 15.5 }; // where nothing is laid out
const ROOM = 14; // a bar to scroll with

export function createStripWindow(list: HTMLElement, handlers: WindowHandlers): StripWindow {
  const sheet = select(list).append("div").attr("class", "lines").attr("role", "presentation");
  let text: LongText | null = null;
  let lines: readonly Line[] = [];
  let row = 0;
  const height = () => list.clientHeight || GUESS.height;

  function draw(): void {
    if (!text) return;
    const room = BEYOND * row;
    const { from, to } = linesWithin(
      lines,
      list.scrollTop - room,
      list.scrollTop + height() + room,
    );
    drawLines(sheet.node() as HTMLElement, text, lines.slice(from, to));
    handlers.drawn();
  }

  function page({ tokens }: LongText): Page {
    const size = parseFloat(getComputedStyle(list).fontSize) || GUESS.size;
    const above = tokens.some(({ ribbon }) => ribbon) ? 32 : 0;
    row = Math.round(2.1 * size) + above;
    const width = (list.clientWidth || GUESS.width + ROOM) - ROOM;
    return { width, size, row, label: Math.round(1.7 * size) };
  }

  const scrollTo = (top: number) => {
    list.scrollTop = Math.max(0, top);
    draw();
  };
  const stop = listen(list, draw, handlers.resized);

  return {
    page,
    draw,
    show(next, broken) {
      [text, lines] = [next, broken];
      sheet.style("height", `${heightOf(lines)}px`);
      draw();
    },
    bring(at) {
      const line = lines[at];
      if (!line) return;
      const [above, below] = [line.top, line.top + line.height - height()];
      if (list.scrollTop > above || list.scrollTop < below) scrollTo(above - height() / 2 + row);
    },
    centre(at) {
      const line = lines[at];
      if (line) scrollTo(line.top - height() / 2 + row);
    },
    inView() {
      const { from, to } = linesWithin(lines, list.scrollTop + 4, list.scrollTop + height() - 4);
      const items = lines.slice(from, to).flatMap((line) => line.items);
      return { from: items[0]?.from ?? 0, to: items.at(-1)?.to ?? 0 };
    },
    clear() {
      stop();
      sheet.remove();
    },
  };
}

/** Calls after scrolling, once per frame, and when the frame's width is another. */
function listen(list: HTMLElement, scrolled: () => void, resized: () => void): () => void {
  let [waiting, alive, width] = [false, true, list.clientWidth];
  const scroll = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (alive) scrolled();
    });
  };
  list.addEventListener("scroll", scroll, { passive: true });
  const sizes =
    globalThis.ResizeObserver &&
    new ResizeObserver(() => {
      if (list.clientWidth === width) return scroll();
      width = list.clientWidth;
      resized();
    });
  sizes?.observe(list);
  return () => {
    alive = false;
    list.removeEventListener("scroll", scroll);
    sizes?.disconnect();
  };
}

interface Part {
  section: number;
  name: string;
  lines: Line[];
}

function drawLines(sheet: HTMLElement, text: LongText, lines: readonly Line[]): void {
  const rows = select(sheet)
    .selectAll<HTMLElement, Part>(".strip-section")
    .data(partsOf(text, lines), (part) => part.section)
    .join((enter) => enter.append("div").attr("class", "strip-section").attr("role", "group"))
    .attr("aria-label", (part) => part.name)
    .selectAll<HTMLElement, Line>(".line")
    .data(
      (part) => part.lines,
      (line) => lineKey(line),
    )
    .join((enter) => enter.append("div").attr("class", "line").attr("role", "presentation"))
    .order()
    .style("top", (line) => `${line.top}px`)
    .style("height", (line) => `${line.height}px`);
  const names = rows.filter(({ items }) => items.length === 0).classed("line-name", true);
  names.attr("aria-hidden", "true").text((line) => text.sections[line.section]?.label ?? "");
  const items = rows
    .filter((line) => line.items.length > 0)
    .selectAll<HTMLElement, LineItem>(".token, .gap")
    .data(
      (line) => line.items,
      (item) => itemKey(item, text),
    )
    .join((enter) =>
      enter
        .append("span")
        .attr("role", "option")
        .each(function (item) {
          enterItem(this, item, text);
        }),
    );
  items.each(function (item) {
    updateItem(this, item, text);
  });
}

const lineKey = ({ items, section }: Line) =>
  `${section}:${items.map(({ from, to, gap }) => (gap ? `${from}-${to}` : from)).join()}`;

/** An element is of one token and its text for good. */
function itemKey({ gap, from, to }: LineItem, { tokens }: LongText): string {
  const token = tokens[from];
  return gap || !token ? `${from}-${to}` : identityOf(token);
}

function partsOf(text: LongText, lines: readonly Line[]): Part[] {
  const parts = new Map<number, Part>();
  for (const line of lines) {
    const known = parts.get(line.section);
    if (known) known.lines.push(line);
    else {
      const { section } = line;
      parts.set(section, { section, name: text.sections[section]?.label ?? "", lines: [line] });
    }
  }
  return [...parts.values()];
}

function enterItem(node: HTMLElement, { gap, from }: LineItem, { tokens }: LongText): void {
  const token = tokens[from];
  if (!gap && token) enterToken.call(node, token);
  if (!gap) return;
  node.className = "gap";
  node.tabIndex = -1;
  node.setAttribute("aria-selected", "false");
}

function updateItem(node: HTMLElement, item: LineItem, { tokens, sections }: LongText): void {
  const token = tokens[item.from];
  node.setAttribute("aria-setsize", String(tokens.length));
  node.setAttribute("aria-posinset", String(item.from + 1));
  if (item.gap) {
    node.dataset.from = String(item.from);
    node.dataset.to = String(item.to);
    node.textContent = gapText(item);
    node.title = "Show these tokens";
    node.setAttribute(
      "aria-label",
      `${counted(item.to - item.from, "token")} folded; Enter shows them`,
    );
    return;
  }
  if (!token || !sections.length) return;
  node.className = tokenClass.call(node, token);
  node.setAttribute("aria-label", token.label);
  updateToken.call(node, token);
}
