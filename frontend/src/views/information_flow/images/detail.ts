// The hovered or chosen picture, larger, with everything the judge says of it.

import { HOVER } from "../../../base/pointing";
import { get } from "svelte/store";
import type { Drawn, Row } from "../../../gen/information_flow";
import { element, facts } from "../../../pictures/dom";
import type { ViewContext } from "../../../view/view";
import { howOf, phraseOf, pictureAt, placeOf, type Panel, type Shown } from "./shown";

export function createDetail(root: HTMLElement, context: ViewContext): Panel {
  let shown: Shown | null = null;
  root.tabIndex = 0; // it scrolls on small screens, and holds nothing else to be focused

  function mark(): void {
    if (!shown?.state.prompt) return root.replaceChildren();
    const { hover, primary } = get(context.selection);
    const place = placeOf(shown, hover) ?? placeOf(shown, primary);
    const row = place && shown.state.rows.find((one) => one.row === place.row);
    const picture = place && pictureAt(shown, place.row, place.column);
    root.replaceChildren(...(row && picture ? parts(shown, row, picture) : [hint()]));
  }

  return {
    render(now) {
      shown = now;
      mark();
    },
    mark,
    destroy: () => {
      root.removeAttribute("tabindex");
      root.replaceChildren();
    },
  };
}

const hint = () =>
  element(
    "p",
    { class: "muted" },
    `${HOVER} a picture to enlarge it and list the items that the classifier detects.`,
  );

function parts(shown: Shown, row: Row, picture: Drawn): HTMLElement[] {
  const { verdict } = picture;
  const image = element("img", { class: "detail-picture", alt: "" });
  const address = shown.address(picture);
  if (address) image.setAttribute("src", address);
  const pairs: [string, string][] = [["Seed", String(picture.seed)]];
  if (verdict) {
    pairs.push(["Detected", verdict.seen.join(", ") || "nothing"]);
    verdict.shown.forEach((there, item) => {
      const said = there === null ? "not known to the classifier" : there ? "yes" : "no";
      pairs.push([`Shows ${phraseOf(shown, item)}`, said]);
    });
    if (verdict.leak !== null) pairs.push(["Attribute leakage", verdict.leak ? "yes" : "no"]);
  }
  return [element("h2", { class: "detail-title" }, howOf(shown, row)), image, facts(pairs)];
}
