// The main figure: the similarity map of the chosen token over the picture, with question and answer.

import { HOVER } from "../../base/pointing";
import type { Selection as Joined } from "d3-selection";
import { get } from "svelte/store";
import { sequential } from "../../pictures/colour";
import { button, element, say, segmented } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { visible } from "../../pictures/glyphs";
import { unitMap } from "../../pictures/heat";
import { drawKey, renderLegend, type Legend } from "../../pictures/legend";
import type { Group } from "../../pictures/layer";
import { showNumber, showPercent } from "../../pictures/numbers";
import { createSheet } from "../../pictures/sheet";
import { drawStrip } from "../../pictures/tokenStripSvg";
import type { ViewContext } from "../../view/view";
import { cellItem, indexOfCell, moveCell } from "./choose";
import { cellBox, cellUnder, createFrame, drawOverlay, sizeOf } from "./overlay";
import { createRegion } from "./region";
import { layerName, mapAt, measuresAt, READS, SCORES, type Panel, type Shown } from "./shown";
import { createAnswer, sectionsOf } from "./strip";
import { patchTable } from "./tables";

export function createPicture(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Similarity map over the picture", "picture", context);
  const score = segmented(context, "Score", SCORES, (value) =>
    context.state.set("score", value.replace("-", "_")),
  );
  const reads = segmented(context, "Query state", READS, (value) =>
    context.state.set("reads", value),
  );
  const masks = segmented(context, "Mask prompt", MASKS, (value) =>
    context.state.set("mask", MASK_SOURCES[MASKS.indexOf(value)] ?? null),
  );
  const points = button("Points", () => {
    context.state.set("points", context.state.get("points") === "off" ? null : "off");
  });
  figure.controls.append(score.node, reads.node, masks.node, points);

  const look = figure.body.appendChild(element("div", { class: "look" }));
  const left = look.appendChild(element("div", { class: "look-picture" }));
  const right = look.appendChild(element("div", { class: "look-text" }));
  const frame = createFrame(left, "scene-map");
  const cell = frame.svg.append("rect").attr("class", "cell-primary");
  const hovered = frame.svg.append("rect").attr("class", "cell-hover");
  const layer = slider(left, "Layer", (value) => context.state.set("layer", String(value)));
  const opacity = slider(left, "Opacity of the map", (value) =>
    context.state.set("opacity", String(value / 100)),
  );
  const readout = left.appendChild(element("p", { class: "readout", "aria-live": "polite" }));
  const region = createRegion(left, frame, context);
  const answer = createAnswer(right, context);
  let shown: Shown | null = null;

  const node = frame.svg.node() as SVGSVGElement;
  node.setAttribute("tabindex", "0");
  node.addEventListener("keydown", (event) => {
    if (!shown) return;
    moveCell(event, shown, context);
    region.keydown(event);
  });
  node.addEventListener("pointermove", (event) => {
    const index = shown && cellUnder(event, node, shown);
    context.selection.hover(index === null ? null : cellItem(index));
  });
  node.addEventListener("pointerleave", () => context.selection.hover(null));
  node.addEventListener("click", (event) => {
    const index = shown && cellUnder(event, node, shown);
    if (index !== null && !region.drawing()) context.selection.choose(cellItem(index));
  });

  function render(now: Shown): void {
    shown = now;
    if (!now.state.scene) return;
    score.choose(now.score);
    reads.choose(now.reads);
    layer.set(now.layer, now.layers - 1, layerName(now.layer, now.layers));
    opacity.set(Math.round(100 * now.opacity), 100, `${Math.round(100 * now.opacity)} %`);
    frame.fit(sizeOf(now), sentence(now));
    drawOverlay(frame.group, now, now.layer, partsOf(now));
    region.render(now);
    const decoded = now.state.masks.length > 1;
    masks.node.hidden = !decoded;
    masks.choose(MASKS[MASK_SOURCES.indexOf(now.masked?.source ?? "")] ?? "token");
    points.hidden = !now.state.points;
    points.setAttribute("aria-pressed", String(now.points.length > 0));
    answer.render(now);
    renderLegend(figure.legend, legendOf(now));
    figure.update(sourceOf(now, context));
    mark();
  }

  function mark(): void {
    if (!shown) return;
    const { hover, primary } = get(context.selection);
    place(cell, indexOfCell(primary), shown);
    place(hovered, indexOfCell(hover), shown);
    const index = indexOfCell(hover) ?? indexOfCell(primary);
    say(readout, index === null ? readoutHint(shown) : cellSentence(shown, index));
    answer.mark();
  }

  return { render, mark, destroy: figure.destroy };
}

interface Slider {
  set(value: number, most: number, text: string): void;
}

function slider(root: HTMLElement, label: string, changed: (value: number) => void): Slider {
  const input = document.createElement("input");
  Object.assign(input, { type: "range", min: "0", step: "1" });
  const value = element("output", {});
  root.append(element("label", { class: "slider" }, element("span", {}, label), input, value));
  input.addEventListener("input", () => changed(input.valueAsNumber));
  return {
    set(at, most, text) {
      input.max = String(most);
      input.value = String(at);
      input.setAttribute("aria-valuetext", text);
      value.textContent = text;
    },
  };
}

/** Points are drawn over the map that they are of, and over no other. */
const partsOf = (shown: Shown) => ({
  picture: true,
  opacity: shown.opacity,
  mask: true,
  points: shown.ofPoints,
});

const MASKS = ["token", "points", "both"] as const;
const MASK_SOURCES: readonly string[] = ["mask_decoder", "points", "both"];

type Rectangle = Joined<SVGRectElement, unknown, null, undefined>;

function place(rectangle: Rectangle, index: number | null, shown: Shown): void {
  rectangle.attr("visibility", index === null ? "hidden" : "visible");
  if (index === null) return;
  const [x, y, width, height] = cellBox(shown, index);
  rectangle
    .attr("x", x)
    .attr("y", y)
    .attr("width", width)
    .attr("height", height)
    .attr("vector-effect", "non-scaling-stroke");
}

function readoutHint(shown: Shown): string {
  if (!shown.state.tokens) return "Loading the picture…";
  return `${HOVER} a patch or use the arrow keys.`;
}

export function cellSentence(shown: Shown, index: number): string {
  const { columns } = shown.grid;
  const map = mapAt(shown, shown.layer);
  const where = `Patch row ${Math.floor(index / columns) + 1}, column ${(index % columns) + 1}`;
  if (!map) return where;
  const units = unitMap(map);
  const rank = 1 + Array.from(map).filter((value) => value > (map[index] ?? 0)).length;
  const share = showPercent(units[index] ?? 0);
  return `${where}: ${showNumber(map[index] ?? 0)}, ${share} of the range, rank ${rank}`;
}

/** What the picture shows, for those who do not see it. */
function sentence(shown: Shown): string {
  const { scene } = shown.state;
  const mask = shown.masked;
  const map = mapAt(shown, shown.layer);
  const parts = [scene?.description ?? ""];
  if (map && shown.token) {
    const top = unitMap(map).indexOf(1);
    const what = visible(shown.token.text.trim() || shown.token.piece);
    parts.push(`Map of “${what}”, layer ${layerName(shown.layer, shown.layers)}.`);
    if (top >= 0) parts.push(`Highest: ${cellSentence(shown, top).split(":")[0] ?? ""}.`);
  }
  if (mask?.iou != null) parts.push(`Mask: IoU with ground truth ${showNumber(mask.iou)}.`);
  return parts.join(" ");
}

function legendOf(shown: Shown): Legend {
  const map = mapAt(shown, shown.layer);
  const low = map ? Math.min(...map) : 0;
  const high = map ? Math.max(...map) : 0;
  const measures = measuresAt(shown, shown.layer);
  return {
    scale: sequential(1, shown.theme),
    unit: `share of the range from the lowest (${showNumber(low)}) to the highest score (${showNumber(high)})`,
    normalisation: "this map",
    notes: [
      ...(measures ? [`Compared with ground truth: ${measureText(measures)}.`] : []),
      ...(shown.truth ? ["Dashed outline: ground truth."] : []),
      maskNote(shown),
      pointNote(shown),
    ],
  };
}

export const measureText = ({ auc, iou, pointing }: NonNullable<ReturnType<typeof measuresAt>>) =>
  `AUC ${showNumber(auc)}, IoU ${showNumber(iou)}, highest patch ${pointing ? "inside" : "outside"}`;

function pointNote({ points, ofPoints, state }: Shown): string {
  if (!state.points || !points.length) return "";
  if (!ofPoints) return "Points are shown only for the token, state, score and layer of the run.";
  const count = (wanted: number) => points.filter(({ label }) => label === wanted).length;
  return `Point prompts: ${count(1)} foreground (filled), ${count(0)} background (crossed), ${count(-1)} undecided (small).`;
}

export const PROMPTS: Record<string, string> = {
  mask_decoder: "prompted by the token",
  points: "prompted by the points",
  both: "prompted by the token and the points",
};

function maskNote({ masked: mask }: Shown): string {
  if (!mask) return "";
  if (mask.source === "none") return "No mask: the answer has no token to prompt the decoder with.";
  const iou = mask.iou === null ? "" : ` (IoU with ground truth ${showNumber(mask.iou)})`;
  if (mask.source === "map") {
    return `Solid outline: the thresholded map${iou}; the model has no mask decoder.`;
  }
  const prompted = PROMPTS[mask.source] ?? "";
  return `Solid outline: the mask decoder's mask, ${prompted}${iou}; predicted IoU ${showNumber(mask.quality ?? 0)}.`;
}

const SHEET = { picture: 360, strip: 420 };

function sourceOf(shown: Shown, context: ViewContext): FigureSource {
  const map = mapAt(shown, shown.layer);
  return {
    table: () => patchTable(shown),
    data: () => ({
      question: shown.state.scene?.question,
      answer: shown.state.tokens?.answer,
      token: shown.token,
      reads: shown.reads,
      score: shown.score,
      layer: shown.layer,
      ...shown.grid,
      scores: map && Array.from(map),
      measures: measuresAt(shown, shown.layer),
      mask: shown.masked && { ...shown.masked, mask: shown.mask && Array.from(shown.mask) },
      points: shown.points,
    }),
    svg: () => {
      const title = `Similarity map of “${visible(shown.token?.text.trim() ?? "")}”, layer ${shown.layer}`;
      const sheet = createSheet(title, shown.theme, get(context.run));
      const size = sizeOf(shown);
      const body = sheet.body as Group;
      const group = body.append("g").attr("transform", `scale(${SHEET.picture / size.width})`);
      drawOverlay(group as Group, shown, shown.layer, partsOf(shown));
      const texts = body.append("g").attr("transform", `translate(${SHEET.picture + 24},0)`);
      const strip = drawStrip(texts as Group, sectionsOf(shown), SHEET.strip, shown.theme);
      const bottom = Math.max((SHEET.picture / size.width) * size.height, strip.height) + 14;
      const legend = legendOf(shown);
      const width = SHEET.picture + SHEET.strip + 24;
      const key = drawKey(body, legend, bottom - 10, width);
      return sheet.finish(width, bottom + key);
    },
  };
}
