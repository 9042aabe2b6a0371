// The prompt's tokens with those kept set apart: on the page and in exports alike.

import type { Row } from "../../../gen/information_flow";
import { element, tokenText } from "../../../pictures/dom";
import { inkOn, sequential } from "../../../pictures/colour";
import { spoken } from "../../../pictures/glyphs";
import type { StripSection, StripToken } from "../../../pictures/tokenStrip";
import { howOf, type Shown } from "./shown";

/** Redrawn only when the row's tokens are not there yet: they do not change. */
export function keptTokens(root: HTMLElement, { state }: Shown, row: Row): void {
  const tokens = state.prompt?.tokens ?? [];
  if (root.childElementCount === tokens.length) return;
  const kept = new Set(row.kept);
  root.replaceChildren(
    ...tokens.map((token, i) =>
      element(
        "span",
        {
          class: `kept-token ${kept.has(i) ? "in" : "out"}`,
          title: kept.has(i) ? "kept" : "replaced by the empty prompt",
        },
        tokenText(token.text),
      ),
    ),
  );
  const said = tokens.filter((_, i) => kept.has(i)).map((token) => spoken(token.text));
  root.prepend(element("span", { class: "visually-hidden" }, `Kept: ${said.join(" ")}`));
}

/** The same for an exported sheet. */
export function keptSection(shown: Shown, row: Row): StripSection {
  const kept = new Set(row.kept);
  const fill = sequential(1, shown.theme).colour(0.5);
  const tokens = (shown.state.prompt?.tokens ?? []).map((token, i): StripToken => {
    const inside = kept.has(i);
    return {
      key: i,
      text: token.text,
      piece: token.text,
      word: token.word,
      fill: inside ? fill : null,
      ink: inside ? inkOn(fill) : null,
      state: inside ? "scored" : "outside",
      band: null,
      target: false,
      label: `${spoken(token.text)}, ${inside ? "kept" : "replaced by the empty prompt"}`,
    };
  });
  return { label: howOf(shown, row), tokens };
}
