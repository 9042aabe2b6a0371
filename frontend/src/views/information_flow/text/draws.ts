// One cut and random cuts of the same size, on one axis of Δ log p.

import { axisBottom } from "d3-axis";
import { scaleLinear } from "d3-scale";
import type { Theme } from "../../../base/theme";
import { LINES } from "../../../pictures/colour";
import { type Group, layer, words } from "../../../pictures/layer";
import { showNumber, showSigned } from "../../../pictures/numbers";
import { inkOf, mutedOf, ruleOf } from "../../../pictures/sheet";
import { supportLine } from "../../../pictures/support";

export interface Draws {
  value: number;
  control: { draws: number[]; mean: number; deviation: number };
  theme: Theme;
}

const ROWS = { cut: 30, random: 62, axis: 84, height: 122, left: 132, right: 14 };

export const sentenceOf = ({ value, control }: Draws) =>
  `Chosen edges: ${showSigned(value)} nats. As many random edges: ${showSigned(control.mean)} ± ` +
  `${showNumber(control.deviation)} nats (standard deviation of ${control.draws.length} draws).`;

/** Draws into the group, again and again alike; returns the size taken. */
export function drawDraws(group: Group, { value, control, theme }: Draws, width: number) {
  const { draws, mean, deviation } = control;
  const ends = [0, value, mean - deviation, mean + deviation, ...draws];
  const x = scaleLinear([Math.min(...ends), Math.max(...ends)], [ROWS.left, width - ROWS.right]);
  x.nice();
  const ink = inkOf(theme);
  const axis = layer(group, "x-axis").attr("transform", `translate(0,${ROWS.axis})`);
  axis.call(axisBottom(x).ticks(5).tickSizeOuter(0)).attr("font-family", null);
  axis.selectAll("line, path").attr("stroke", ruleOf(theme));
  axis.selectAll("text").attr("fill", mutedOf(theme)).attr("font-size", 10.5);
  const label = { x: width - ROWS.right, y: ROWS.axis + 32, size: 11, ink: mutedOf(theme) };
  words(group, "x-label", "Δ log p of the answer (nats)", label).attr("text-anchor", "end");
  words(group, "cut-label", "chosen edges", { x: 0, y: ROWS.cut + 4, size: 12, ink });
  words(group, "random-label", "random edges", { x: 0, y: ROWS.random + 4, size: 12, ink });
  line(layer(group, "zero"), x(0), x(0), 12, ROWS.axis, mutedOf(theme), 1);
  const [low, high] = [x(mean - deviation), x(mean + deviation)];
  line(layer(group, "spread"), low, high, ROWS.random, ROWS.random, mutedOf(theme), 7)
    .attr("stroke-opacity", 0.35)
    .attr("stroke-linecap", "round");
  layer(group, "draws")
    .selectAll("circle")
    .data(draws)
    .join("circle")
    .attr("cx", (draw) => x(draw))
    .attr("cy", ROWS.random)
    .attr("r", 4)
    .attr("fill", "none")
    .attr("stroke", LINES[theme][1] ?? "")
    .attr("stroke-width", 1.5);
  line(
    layer(group, "stem"),
    x(0),
    x(value),
    ROWS.cut,
    ROWS.cut,
    supportLine(value, theme, "removed"),
    2.5,
  );
  layer(group, "cut")
    .selectAll("path")
    .data([value])
    .join("path")
    .attr("d", "M0,-7 L7,0 L0,7 L-7,0 Z")
    .attr("transform", (at) => `translate(${x(at)},${ROWS.cut})`)
    .attr("fill", LINES[theme][0] ?? "");
  return { width, height: ROWS.height };
}

function line(
  group: Group,
  x1: number,
  x2: number,
  y1: number,
  y2: number,
  stroke: string,
  thick: number,
) {
  const one = group.selectAll<SVGLineElement, null>("line").data([null]).join("line");
  one.attr("x1", x1).attr("x2", x2).attr("y1", y1).attr("y2", y2);
  return one.attr("stroke", stroke).attr("stroke-width", thick);
}
