// The canvas of tokens, step by step, with a scrubber.

import { plainKey } from "../../view/keys";
import { counted } from "../../base/plural";
import { get } from "svelte/store";
import { inkOn } from "../../pictures/colour";
import { button, element, segmented } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { spoken, visible } from "../../pictures/glyphs";
import { drawKey, renderLegend, type Legend } from "../../pictures/legend";
import { showConfidence } from "../../pictures/numbers";
import { fromOne, indexColumn } from "../../pictures/ordinal";
import { createSheet, fit, inkOf, mutedOf } from "../../pictures/sheet";
import type { Table } from "../../pictures/table";
import type { Selected } from "../../view/selection";
import type { Theme } from "../../base/theme";
import type { ViewContext } from "../../view/view";
import { answerText } from "../decoding/answer";
import { askedText } from "../decoding/asked";
import { createChooser } from "../decoding/chooser";
import { choosePosition, outputIndex, outputItem, type Panel, type Shown } from "../decoding/shown";
import type { Trace } from "../decoding/traces";
import type { Clock, Tick } from "./clock";
import { colourOf, fillingOf, fillLegend, fillOf, FILLS, type Filling } from "./fill";
import { createScrubber } from "./scrubber";
import { momentOf, type Place } from "./moment";
import { NEAR_MISS, REASONS, signsText } from "./reasons";
import { tailOf } from "./tail";

interface Scene {
  trace: Trace;
  tick: Tick;
  places: Place[];
  filling: Filling;
  /** Position from which on end-of-text tokens are folded. */
  folded: number;
  theme: Theme;
}

export function createCanvas(root: HTMLElement, context: ViewContext, clock: Clock): Panel {
  const figure = createFigure(root, "Canvas", "canvas", context);
  const chooser = createChooser(context);
  const guesses = button("Predictions", toggleGuesses, {
    class: "chip",
    title: "Show the most probable token at each mask of the active block",
  });
  const fills = segmented(context, "Fill", FILLS, (value) =>
    context.state.set("fill", value === "confidence" ? value : null),
  );
  figure.controls.append(chooser.node, fills.node, guesses);
  const scrubber = createScrubber(figure.body, context, clock);
  const line = figure.body.appendChild(element("p", { class: "sharpness", "aria-live": "off" }));
  const board = figure.body.appendChild(element("div", { class: "board" }));
  board.setAttribute("role", "grid");
  board.setAttribute("aria-label", "Tokens of the canvas; arrow keys move");
  const rest = button("", () => context.state.set("tail", showsTail() ? null : "1"), {
    class: "chip",
  });
  figure.body.appendChild(element("div", { class: "canvas-tail" }, rest));
  let shown: Shown | null = null;
  let cells: HTMLElement[] = [];
  let built = "";

  const showsGuesses = () => context.state.get("guesses") !== "0";
  const showsTail = () => context.state.get("tail") === "1";
  function toggleGuesses(): void {
    context.state.set("guesses", showsGuesses() ? "0" : null);
  }

  function draw(): void {
    const trace = shown?.trace;
    if (!shown || !trace || trace.start.family !== "diffusion") return figure.hide();
    const tick = get(clock);
    const { theme, position } = shown;
    const places = momentOf(trace, tick.step);
    const filling = fillingOf(fillOf(context.state.get("fill")), tick.count, theme);
    const tail = tailOf(trace);
    const folded = showsTail() || (position ?? 0) >= tail ? trace.start.length : tail;
    const scene = { trace, tick, places, filling, folded, theme };
    build(trace);
    fold(tail, folded);
    fills.choose(filling.fill);
    scene.places.forEach((place, i) => {
      const cell = cells[i];
      if (cell) drawCell(cell, place, filling, showsGuesses());
    });
    line.textContent = summary(scene);
    guesses.setAttribute("aria-pressed", String(showsGuesses()));
    renderLegend(figure.legend, legendOf(scene));
    figure.update(sourceOf(scene, context));
    mark(get(context.selection));
  }

  /** Folded cells stay in the page, out of sight. */
  function fold(tail: number, folded: number): void {
    cells.forEach((cell, i) => (cell.hidden = i >= folded));
    for (const block of board.children)
      (block as HTMLElement).hidden = !block.querySelector(".cell:not([hidden])");
    const count = cells.length - tail;
    const tokens = counted(count, "more end-of-text token", "more end-of-text tokens");
    rest.hidden = count === 0;
    rest.textContent = folded === tail ? `Show ${tokens}` : `Fold ${tokens}`;
    rest.setAttribute("aria-expanded", String(folded !== tail));
  }

  /** Cells are made once per canvas; playing only changes them. */
  function build({ start }: Trace): void {
    const key = `${start.trace}/${start.length}/${start.block}`;
    if (key === built) return;
    built = key;
    cells = Array.from({ length: start.length }, (_, position) => makeCell(position));
    const size = start.block ?? start.length;
    const blocks = Array.from({ length: Math.ceil(start.length / size) }, (_, block) => {
      const name = element(
        "span",
        { class: "block-name", "aria-hidden": "true" },
        `block ${fromOne(block)}`,
      );
      const tokens = cells.slice(block * size, (block + 1) * size);
      const row = element("div", { class: "block-cells", role: "row" }, ...tokens);
      return element("div", { class: "block", role: "presentation" }, name, row);
    });
    board.replaceChildren(...blocks);
  }

  board.addEventListener("click", (event) => {
    const position = positionOf(event);
    if (position !== null) choosePosition(context, position);
  });
  board.addEventListener("pointerover", (event) => {
    const position = positionOf(event);
    context.selection.hover(position === null ? null : outputItem(position));
  });
  board.addEventListener("pointerleave", () => context.selection.hover(null));
  board.addEventListener("keydown", (event) => {
    const seen = cells.filter((cell) => !cell.hidden);
    const next = moved(plainKey(event) ?? "", positionOf(event), seen);
    if (next === null) return;
    event.preventDefault();
    choosePosition(context, next);
    cells[next]?.focus();
  });
  const stop = clock.subscribe(draw);

  function mark({ hover, primary }: Selected): void {
    const [over, chosen] = [outputIndex(hover), outputIndex(primary)];
    cells.forEach((cell, i) => {
      cell.classList.toggle("is-hover", i === over);
      cell.classList.toggle("is-primary", i === chosen);
      cell.setAttribute("aria-selected", String(i === chosen));
      cell.tabIndex = i === (chosen ?? 0) ? 0 : -1;
    });
  }

  return {
    render(now) {
      shown = now;
      if (now.trace?.start.family === "diffusion") clock.resize(now.trace.canvas.length);
      chooser.render(now);
      draw();
    },
    mark,
    destroy() {
      stop();
      scrubber.destroy();
      figure.destroy();
    },
  };
}

function positionOf(event: Event): number | null {
  const cell = (event.target as Element).closest<HTMLElement>("[data-position]");
  return cell ? Number(cell.dataset.position) : null;
}

function moved(key: string, from: number | null, cells: readonly HTMLElement[]): number | null {
  if (from === null) return null;
  const column = cells.filter((cell) => cell.offsetTop === cells[0]?.offsetTop).length || 1;
  const steps: Record<string, number> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -column,
    ArrowDown: column,
    Home: -from,
    End: cells.length - 1 - from,
    Enter: 0,
  };
  const by = steps[key];
  return by === undefined ? null : Math.max(0, Math.min(cells.length - 1, from + by));
}

function makeCell(position: number): HTMLElement {
  const sign = element("span", { class: "cell-sign", "aria-hidden": "true" });
  const text = element("bdi", { class: "cell-text" });
  const step = element("span", { class: "cell-step", "aria-hidden": "true" });
  const attributes = { class: "cell", role: "gridcell", tabindex: "-1" };
  const cell = element("span", attributes, sign, text, step);
  cell.dataset.position = String(position);
  return cell;
}

const isWritten = ({ state }: Place) => state === "written" || state === "fresh";

function drawCell(cell: HTMLElement, place: Place, filling: Filling, guesses: boolean): void {
  const [sign, text, step] = cell.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
  const readable = isWritten(place) || (guesses && place.state === "waiting");
  const fill = readable ? colourOf(filling, place) : "";
  for (const state of ["written", "fresh", "waiting", "closed"]) {
    cell.classList.toggle(state, place.state === state);
  }
  cell.classList.toggle("near", place.near);
  cell.style.backgroundColor = fill;
  cell.style.color = fill && inkOn(fill);
  cell.setAttribute("aria-label", labelOf(place));
  cell.title = labelOf(place);
  text.textContent = readable ? visible(place.text) || "∅" : "▒";
  sign.textContent = signOf(place);
  step.textContent = stepOf(place, filling);
  cell.classList.toggle("stepped", step.textContent !== "");
}

/** The step's number next to the token, so that the order does not depend on colour alone. */
const stepOf = ({ step }: Place, { fill }: Filling) =>
  step === null || fill === "confidence" ? "" : String(fromOne(step));

function signOf({ state, commit, nearMiss }: Place): string {
  if (state === "fresh" && commit) return REASONS[commit.reason].glyph;
  return nearMiss && state === "waiting" ? NEAR_MISS.glyph : "";
}

function labelOf(place: Place): string {
  const { position, state, commit, confidence, doubt, step } = place;
  if (state === "closed") return `position ${fromOne(position)}: mask, block not started`;
  const sure = confidence === null ? "" : `, ${showConfidence(confidence, doubt)}`;
  const said = `position ${fromOne(position)}: ${spoken(place.text)}${sure}`;
  const written = step === null ? "" : `, committed in step ${fromOne(step)}`;
  if (commit) return `${said}, ${REASONS[commit.reason].label}${written}`;
  return `${said}, masked${place.nearMiss ? ", near miss" : ""}`;
}

function summary({ trace, tick, places }: Scene): string {
  const step = trace.canvas[tick.step];
  if (!step) return "Waiting for the first step";
  const written = places.filter(isWritten).length;
  const parts = [
    `Step ${fromOne(tick.step)} of ${tick.count}${trace.end ? "" : " so far"}`,
    `block ${fromOne(step.block)}`,
    `${step.commits.length} committed in this step`,
    `${written} of ${trace.start.length} positions committed`,
  ];
  if (step.near_misses.length)
    parts.push(counted(step.near_misses.length, "near miss", "near misses"));
  if (step.cached) parts.push("from the cache: approximate");
  if (trace.start.approximation) parts.push(trace.start.approximation);
  const answer = trace.end && answerText(trace.end);
  if (answer) parts.push(answer);
  const asked = askedText(trace);
  if (asked) parts.push(asked);
  return parts.join(" · ");
}

export const reasonsOf = ({ canvas }: Trace) =>
  canvas.flatMap(({ commits }) => commits.map(({ reason }) => reason));

function legendOf({ trace, filling }: Scene): Legend {
  return {
    ...fillLegend(filling),
    notes: [
      ...(filling.fill === "confidence" ? [] : ["Small number: step."]),
      `Framed: committed in this step; ${signsText(reasonsOf(trace))}; ` +
        `${NEAR_MISS.glyph} near miss: near an anchor, confidence below τ. ` +
        "Italic: prediction at a mask. ▒: mask.",
    ],
  };
}

function sourceOf(scene: Scene, context: ViewContext): FigureSource {
  return {
    table: () => tableOf(scene),
    data: () => ({ decoder: scene.trace.start.label, step: scene.tick.step, places: scene.places }),
    svg: () => drawBoard(scene, context),
  };
}

function tableOf({ trace, tick, places }: Scene): Table {
  return {
    caption: `Canvas of ${trace.start.label} after step ${fromOne(tick.step)}`,
    columns: [
      indexColumn("position"),
      indexColumn("block"),
      "token",
      "state",
      "confidence",
      "reason",
      "near miss",
    ],
    rows: places.map((place) => [
      place.position,
      place.block,
      visible(place.text),
      place.state,
      place.confidence,
      place.commit ? REASONS[place.commit.reason].label : null,
      place.nearMiss,
    ]),
  };
}

const TILE = { width: 74, height: 30, columns: 10 };

function drawBoard(scene: Scene, context: ViewContext): SVGSVGElement {
  const { trace, tick, filling, folded, theme } = scene;
  const places = scene.places.slice(0, folded);
  const sheet = createSheet(
    `${trace.start.label}: canvas after step ${fromOne(tick.step)}`,
    theme,
    get(context.run),
  );
  const tiles = sheet.body
    .selectAll("g.tile")
    .data(places)
    .join("g")
    .attr("transform", (_, i) => {
      const [column, row] = [i % TILE.columns, Math.floor(i / TILE.columns)];
      return `translate(${column * TILE.width},${row * TILE.height})`;
    });
  const fillFor = (place: Place) => colourOf(filling, place) || "none";
  const inkFor = (place: Place) => {
    const colour = colourOf(filling, place);
    return colour ? inkOn(colour) : mutedOf(theme);
  };
  tiles
    .append("rect")
    .attr("width", TILE.width - 3)
    .attr("height", TILE.height - 4)
    .attr("rx", 3)
    .attr("fill", fillFor)
    .attr("stroke", (place) => (place.state === "fresh" ? inkOf(theme) : mutedOf(theme)))
    .attr("stroke-width", (place) => (place.state === "fresh" ? 2 : 0.6))
    .attr("stroke-dasharray", (place) => (isWritten(place) ? null : "3 2"));
  tiles
    .append("text")
    .attr("x", 4)
    .attr("y", 17)
    .attr("font-size", 12)
    .attr("fill", inkFor)
    .attr("font-style", (place) => (isWritten(place) ? null : "italic"))
    .text((place) => {
      const room = TILE.width - (stepOf(place, filling) ? 24 : 10);
      return fit(`${signOf(place)} ${visible(place.text)}`.trim(), room, 12);
    });
  tiles
    .append("text")
    .attr("x", TILE.width - 7)
    .attr("y", 17)
    .attr("text-anchor", "end")
    .attr("font-size", 9)
    .attr("fill", inkFor)
    .text((place) => stepOf(place, filling));
  const more = scene.places.length - folded;
  const rows = Math.ceil(places.length / TILE.columns) * TILE.height;
  const words = more ? `Not drawn: ${more} more end-of-text tokens.` : "";
  const height = rows + (more ? 20 : 0);
  sheet.body
    .append("text")
    .attr("y", rows + 12)
    .attr("font-size", 10.5)
    .text(words);
  const legend = legendOf(scene);
  const width = TILE.columns * TILE.width;
  const key = drawKey(sheet.body, legend, height - 4, width);
  return sheet.finish(width, height - 4 + key);
}
