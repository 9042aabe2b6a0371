// Question and answer: the token strip that chooses the query, and whether the answer is right.

import { get } from "svelte/store";
import type { AnswerToken } from "../../gen/seg_similarity";
import { inkOn, sequential } from "../../pictures/colour";
import { element } from "../../pictures/dom";
import { spoken } from "../../pictures/glyphs";
import { showPercent } from "../../pictures/numbers";
import { createTokenStrip, type StripSection, type StripToken } from "../../pictures/tokenStrip";
import type { ViewContext } from "../../view/view";
import { chooseToken, indexOfToken, tokenItem } from "./choose";
import { TOKEN, type Shown } from "./shown";

export function createAnswer(root: HTMLElement, context: ViewContext) {
  const verdict = root.appendChild(element("p", { class: "answer-verdict" }));
  const strip = createTokenStrip(root, "Tokens", {
    hover: (key) => context.selection.hover(key === null ? null : tokenItem(key)),
    choose: (key) => chooseToken(context, key),
    extend: (_, to) => chooseToken(context, to),
    others: { marks: context.marks, kind: TOKEN },
  });
  const note = root.appendChild(element("p", { class: "muted" }));
  let shown: Shown | null = null;

  function mark(): void {
    const { hover } = get(context.selection);
    const hovered = indexOfToken(hover);
    strip.mark({
      hover: new Set(hovered === null ? [] : [hovered]),
      primary: shown?.token?.position ?? null,
      pinned: null,
      set: new Set(),
    });
  }

  return {
    mark,
    render(now: Shown): void {
      shown = now;
      verdict.replaceChildren(...verdictParts(now));
      strip.render(sectionsOf(now));
      note.textContent = noteText(now);
    },
  };
}

function verdictParts({ state: { scene, tokens } }: Shown): (Node | string)[] {
  if (!scene) return [];
  if (!tokens) return [scene.question];
  if (tokens.right === null) return ["Own question: the correct answer is unknown."];
  if (tokens.right) return [element("span", { class: "badge good" }, "✓ correct, exact match")];
  const badge = element("span", { class: "badge bad" }, "✗ incorrect");
  return [badge, ` Expected: “${scene.expected ?? ""}”`];
}

function noteText({ state, token, reads }: Shown): string {
  const { tokens, scene } = state;
  if (!tokens || !token) return "";
  const read = reads === "predicts" ? "the state that predicts it" : "the state at it";
  const map = `Map: ${spoken(token.text || token.piece)}, ${read}. Click another token for its map.`;
  if (tokens.found || token.position !== tokens.query) return map;
  const reason =
    scene?.form === "none"
      ? "The answer has no <SEG>, which is correct: no object matches the question."
      : "The query token does not occur; the last word of the answer is used.";
  return `${reason} ${map}`;
}

export function sectionsOf(shown: Shown): StripSection[] {
  const tokens = shown.state.tokens?.tokens ?? [];
  const part = (answer: boolean) =>
    tokens.filter((token) => token.answer === answer).map((token) => stripToken(token, shown));
  const sections = [
    { label: "Question", tokens: part(false) },
    { label: "Answer, fill: probability", tokens: part(true) },
  ];
  return sections.filter((section) => section.tokens.length > 0);
}

function stripToken(token: AnswerToken, { theme, token: shown }: Shown): StripToken {
  const probability = token.logprob === null ? null : Math.exp(token.logprob);
  const fill = probability === null ? null : sequential(1, theme).colour(probability);
  const said = probability === null ? "" : `, probability ${showPercent(probability)}`;
  return {
    key: token.position,
    text: token.special ? "" : token.text,
    piece: token.piece,
    word: token.position,
    fill,
    ink: fill && inkOn(fill),
    state: "scored",
    band: null,
    target: token.position === shown?.position,
    label: `${spoken(token.text || token.piece)}${said}`,
  };
}
