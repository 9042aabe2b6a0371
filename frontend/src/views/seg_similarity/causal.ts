// The causal check: the answer read again without the region, and without as many other patches.

import { get } from "svelte/store";
import type { Blanked } from "../../gen/seg_similarity";
import { element } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import type { Group } from "../../pictures/layer";
import { showNumber } from "../../pictures/numbers";
import { createSheet, mutedOf } from "../../pictures/sheet";
import { SUPPORT_WORDS, supportLine } from "../../pictures/support";
import type { Cell, Table } from "../../pictures/table";
import type { ResourceCache } from "../../view/resourceCache";
import type { ViewContext } from "../../view/view";
import { sizeOf } from "./overlay";
import type { Panel, Shown } from "./shown";

export function createCausal(
  root: HTMLElement,
  context: ViewContext,
  resources: ResourceCache,
): Panel {
  const figure = createFigure(root, "Causal check", "causal", context);
  const list = figure.body.appendChild(element("div", { class: "pictures" }));
  const source = (one: Blanked) =>
    resources(one.picture.sha256, () => context.pictures(one.picture)) ?? "";

  return {
    render(shown) {
      const { blanked } = shown.state;
      if (!blanked.length) return figure.hide();
      list.replaceChildren(...blanked.map((one, i) => card(shown, one, i, source(one))));
      figure.legend.textContent = summary(blanked);
      figure.update(sourceOf(shown, context, source));
    },
    destroy: figure.destroy,
  };
}

const nameOf = (one: Blanked, index: number) =>
  one.control ? `control ${index}` : one.drawn ? "your region" : "mask region";

const change = (nats: number | null) => (nats === null ? "–" : `${showNumber(nats)} nats`);

function card({ theme }: Shown, one: Blanked, index: number, address: string): HTMLElement {
  const image = element("img", { alt: `Picture with ${nameOf(one, index)} blanked` });
  if (address) image.setAttribute("src", address);
  const line = supportLine(one.answer_change, theme, "removed");
  const node = element(
    "div",
    { class: "picture-tile blanked-tile" },
    image,
    element("strong", {}, nameOf(one, index)),
    element("span", {}, change(one.answer_change)),
    element("span", { class: "muted" }, `map change ${showNumber(one.map_change)}`),
  );
  node.style.borderTop = `4px solid ${line}`; // an attribute would break the content policy
  return node;
}

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

function summary(blanked: readonly Blanked[]): string {
  const unit =
    "Numbers: change of log p of the answer (nats) when the region is blanked; map change: 1 − cosine of the centred maps over the remaining patches. " +
    `Colour of the upper edge: ${SUPPORT_WORDS.removed}`;
  const region = blanked.find((one) => !one.control);
  const controls = blanked.filter((one) => one.control);
  if (!region || !controls.length) return unit;
  const control = mean(controls.map((one) => one.answer_change));
  const times = control < 0 ? region.answer_change / control : null;
  const against = `compared with ${showNumber(control)} for as many random patches outside it (mean of ${controls.length} draws)`;
  const ratio =
    times === null
      ? ", which do not lower it"
      : times > 0
        ? ` (${times.toFixed(1)} times as much)`
        : "";
  return `Without the region the answer changes by ${showNumber(region.answer_change)} nats, ${against}${ratio}. ${unit}`;
}

function tableOf(blanked: readonly Blanked[]): Table {
  return {
    caption: "Effect of blanking patches",
    columns: ["blanked", "patches", "answer, nats", "query, nats", "map change"],
    rows: blanked.map((one, i): Cell[] => [
      nameOf(one, i),
      one.cells.shape[0] ?? 0,
      one.answer_change,
      one.token_change,
      one.map_change,
    ]),
  };
}

const CARD = 130;

function sourceOf(
  shown: Shown,
  context: ViewContext,
  address: (one: Blanked) => string,
): FigureSource {
  const { blanked } = shown.state;
  return {
    table: () => tableOf(blanked),
    data: () =>
      blanked.map(({ picture, ...rest }) => ({ ...rest, picture_sha256: picture.sha256 })),
    svg: () => {
      const sheet = createSheet("Causal check", shown.theme, get(context.run));
      const { width, height } = sizeOf(shown);
      const tall = Math.round((CARD * height) / width);
      blanked.forEach((one, i) => {
        const column = (sheet.body as Group)
          .append("g")
          .attr("transform", `translate(${i * (CARD + 12)},0)`);
        column.append("image").attr("width", CARD).attr("height", tall).attr("href", address(one));
        [nameOf(one, i), change(one.answer_change)].forEach((text, line) =>
          column
            .append("text")
            .attr("y", tall + 15 + 14 * line)
            .attr("font-size", 11)
            .attr("fill", line ? mutedOf(shown.theme) : null)
            .text(text),
        );
      });
      return sheet.finish(blanked.length * (CARD + 12), tall + 34);
    },
  };
}
