// Detail of the hovered or chosen pair, and what can be run from there.

import { fromOne } from "../../pictures/ordinal";
import { get } from "svelte/store";
import { button, element, facts, tokenText } from "../../pictures/dom";
import { showNumber, showSigned } from "../../pictures/numbers";
import type { Selected } from "../../view/selection";
import type { ViewContext } from "../../view/view";
import { cutEdge, edgeAt } from "./cut";
import { partKey } from "./state";
import {
  knockOutOf,
  massAt,
  massOf,
  nameIn,
  pairIndex,
  pairName,
  whereText,
  type Pair,
  type Panel,
  type Shown,
} from "./shown";

const LONGEST = 240;

export function createDetail(root: HTMLElement, context: ViewContext): Panel {
  let shown: Shown | null = null;
  root.tabIndex = 0; // it scrolls on small screens

  function mark(selected: Selected): void {
    if (!shown?.layout) return root.replaceChildren();
    const number = pairIndex(selected.hover) ?? shown.pair;
    const pair = shown.pairs[number ?? -1];
    if (!pair) return root.replaceChildren();
    const pinned = shown.pairs[pairIndex(selected.pinned) ?? -1];
    root.replaceChildren(...parts(shown, pair, pinned === pair ? undefined : pinned, context));
  }

  return {
    render(now) {
      shown = now;
      mark(get(context.selection));
    },
    mark,
    destroy: () => {
      root.removeAttribute("tabindex");
      root.replaceChildren();
    },
  };
}

function parts(
  shown: Shown,
  pair: Pair,
  pinned: Pair | undefined,
  context: ViewContext,
): HTMLElement[] {
  const title = element("h2", { class: "detail-title" }, pairName(shown, pair));
  const own = pair.reader === pair.source;
  return [
    title,
    facts(massPairs(shown, pair, pinned)),
    ...effectParts(shown, pair, context),
    ...(own ? [] : blockParts(shown, pair.source, "Attended block")),
    ...blockParts(shown, pair.reader, own ? "Block" : "Attending block"),
  ];
}

function massPairs(shown: Shown, pair: Pair, pinned?: Pair): [string, string][] {
  const mass = massOf(shown, pair);
  if (mass === null) return [["Attention", "not measured yet"]];
  const found: [string, string][] = [
    ["Attention", showNumber(mass)],
    ["Where", whereText(shown)],
  ];
  const whole = massAt(shown, pair, null, null);
  if (shown.layer !== null || shown.head !== null) {
    found.push(["Mean over layers and heads", showNumber(whole ?? 0)]);
  }
  const reference = pinned && massOf(shown, pinned);
  if (pinned && typeof reference === "number") {
    found.push(["Pinned", pairName(shown, pinned)]);
    found.push(["Difference to pinned", showSigned(mass - reference)]);
  }
  return found;
}

function effectParts(shown: Shown, pair: Pair, context: ViewContext): HTMLElement[] {
  const cut = knockOutOf(shown, pair);
  const mode = shown.layout?.event.mode;
  const before = mode && shown.state.arrangements.get(mode)?.logprob;
  const found: HTMLElement[] = [];
  if (cut && before !== undefined) {
    found.push(
      element("h3", {}, "Effect of cutting this edge in all layers and heads"),
      facts([
        ["log p with the edge", `${showNumber(before)} nats`],
        ["log p without the edge", `${showNumber(cut.logprob)} nats`],
        ["Δ", `${showSigned(cut.delta)} nats`],
      ]),
    );
  }
  const chosen = shown.pairs[shown.pair ?? -1] === pair;
  if (chosen && context.rerun && edgeAt(shown)) {
    const press = () => cutEdge(context, shown);
    found.push(button("Cut this edge and run again", press, { class: "primary" }));
  }
  return found;
}

function blockParts(shown: Shown, at: number, heading: string): HTMLElement[] {
  const block = shown.layout?.event.blocks[at];
  if (!block) return [];
  const { role, segment, tokens, position, start, reads } = block;
  const text = (shown.state.texts.get(partKey(role, segment)) ?? []).join("");
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  const pairs: [string, string][] = [
    ["Tokens", String(tokens)],
    ["Positions", `${position} to ${position + tokens - 1}`],
    ["First token", String(fromOne(start))],
    ["Attends to", reads.map((source) => nameIn(shown, source)).join(", ") || "only itself"],
  ];
  const score = shown.state.segments?.segments[segment ?? -1]?.score;
  if (typeof score === "number") pairs.push(["Score", showNumber(score)]);
  return [
    element("h3", {}, `${heading}: ${nameIn(shown, at)}`),
    element("p", { class: "segment-text" }, tokenText(short)),
    facts(pairs),
  ];
}
