// A whole text as one line: its strongest colour at each place, what is shown, and what is in view.

import { plainKey } from "../view/keys";
import { element } from "./dom";
import { placeIn } from "./place";
import type { LongText, Range } from "./stripFold";

export interface Minimap {
  node: HTMLElement;
  render(text: LongText, shown: Uint8Array): void;
  view(places: Range): void;
  hover(place: number | null): void;
}

export interface MinimapHandlers {
  /** Moves that place into view. */
  jump(place: number): void;
  /** Clicked where the text is folded. */
  open(place: number): void;
}

const HEAT = 18; // pixels; below it a line where the text is shown
const LINE = 4;
const STEP = 20; // tokens that an arrow key moves by

export function createMinimap(handlers: MinimapHandlers, description: string): Minimap {
  const canvas = element("canvas", { "aria-hidden": "true" }) as HTMLCanvasElement;
  const frame = element("div", { class: "minimap-view", "aria-hidden": "true" });
  const tick = element("div", { class: "minimap-tick", hidden: "", "aria-hidden": "true" });
  const node = element(
    "div",
    { class: "minimap", tabindex: "0", role: "slider" },
    canvas,
    frame,
    tick,
  );
  node.setAttribute("aria-label", "Map of the whole text");
  node.setAttribute("aria-description", description);
  let text: LongText | null = null;
  let shown: Uint8Array = new Uint8Array();
  let seen: Range = { from: 0, to: 0 };
  const length = () => text?.tokens.length ?? 0;
  const share = (place: number) => `${(100 * place) / Math.max(1, length())}%`;

  function jump(place: number): void {
    const last = Math.max(0, length() - 1);
    handlers.jump(Math.min(last, Math.max(0, Math.floor(place))));
  }
  listen(node, {
    length,
    seen: () => seen,
    jump,
    press: (place) => shown[Math.floor(place)] === 0 && handlers.open(Math.floor(place)),
  });

  return {
    node,
    render(next, places) {
      [text, shown] = [next, places];
      node.setAttribute("aria-valuemin", "1");
      node.setAttribute("aria-valuemax", String(length()));
      paint(canvas, node.clientWidth || 760, next, places);
    },
    view(places) {
      seen = places;
      frame.style.left = share(places.from);
      frame.style.width = share(Math.max(1, places.to - places.from));
      node.setAttribute("aria-valuenow", String(Math.min(length(), places.from + 1)));
      const [first, last, all] = [places.from + 1, places.to, length()];
      const said = [first, last, all].map((one) => one.toLocaleString("en"));
      node.setAttribute("aria-valuetext", `tokens ${said[0]} to ${said[1]} of ${said[2]} in view`);
    },
    hover(place) {
      tick.hidden = place === null;
      if (place !== null) tick.style.left = share(place);
    },
  };
}

interface Place {
  length(): number;
  seen(): Range;
  jump(place: number): void;
  press(place: number): void;
}

function listen(node: HTMLElement, { length, seen, jump, press }: Place): void {
  let moved = false;
  const placeUnder = (event: PointerEvent) =>
    (length() * placeIn(node, event).x) / Math.max(1, node.offsetWidth);
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    moved = false;
    node.setPointerCapture?.(event.pointerId);
    jump(placeUnder(event));
  });
  node.addEventListener("pointermove", (event) => {
    if (!(event.buttons & 1)) return;
    moved = true;
    jump(placeUnder(event));
  });
  node.addEventListener("pointerup", (event) => {
    if (!moved && event.button === 0) press(placeUnder(event));
  });
  node.addEventListener("keydown", (event) => {
    const { from, to } = seen();
    const middle = (from + to) / 2;
    const page = Math.max(STEP, to - from);
    const places: Record<string, number> = {
      ArrowLeft: middle - STEP,
      ArrowUp: middle - STEP,
      ArrowRight: middle + STEP,
      ArrowDown: middle + STEP,
      PageUp: middle - page,
      PageDown: middle + page,
      Home: 0,
      End: length() - 1,
    };
    const key = plainKey(event) ?? "";
    if (key === "Enter" || key === " ") press(middle);
    else if (places[key] === undefined) return;
    else jump(places[key]);
    event.preventDefault();
  });
}

/** One pixel is the strongest of its tokens; a line below it, whether any of them is shown. */
function paint(canvas: HTMLCanvasElement, width: number, text: LongText, shown: Uint8Array): void {
  canvas.width = width;
  canvas.height = HEAT + LINE;
  const context = canvas.getContext?.("2d");
  if (!context) return;
  const { tokens, sections } = text;
  const ink = getComputedStyle(canvas).color;
  for (let x = 0; x < width; x++) {
    const from = Math.floor((x * tokens.length) / width);
    const to = Math.max(from + 1, Math.floor(((x + 1) * tokens.length) / width));
    const here = tokens.slice(from, to);
    const best = here.reduce((a, b) => ((b.weight ?? 0) > (a?.weight ?? 0) ? b : a), here[0]);
    context.fillStyle = best?.fill ?? best?.ribbon?.colour ?? "transparent";
    context.fillRect(x, 0, 1, HEAT);
    context.fillStyle = ink;
    if (shown.subarray(from, to).includes(1)) context.fillRect(x, HEAT + 1, 1, LINE - 1);
  }
  context.fillStyle = ink;
  for (const { from } of sections.slice(1)) {
    if (sections.length < 40) context.fillRect((from * width) / tokens.length, 0, 1, HEAT);
  }
}
