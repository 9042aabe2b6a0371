// What others look at or have commented in a strip: border and underline, never a fill.

import type { Readable } from "svelte/store";
import type { Mark } from "../view/view";

/** Marks on a strip's tokens: those of items of this kind, by their index as key. */
export interface OthersMarks {
  marks: Readable<readonly Mark[]>;
  kind: string;
}

type Elements = ReadonlyMap<number, HTMLElement>;

/** `put` shows the marks on tokens that were drawn again. */
export function showOthers(
  { marks, kind }: OthersMarks,
  elements: () => Elements,
): { put(): void; commented(): number[] } {
  let latest: readonly Mark[] = [];
  let touched: HTMLElement[] = [];
  function put(): void {
    const own = latest.filter(({ item }) => item.kind === kind);
    const keys = [...new Set(own.map(({ item }) => item.index))];
    for (const token of touched) showOn(token, []);
    touched = keys.flatMap((key) => {
      const token = elements().get(key);
      if (token)
        showOn(
          token,
          own.filter(({ item }) => item.index === key),
        );
      return token ?? [];
    });
  }
  marks.subscribe((now) => {
    latest = now;
    put();
  });
  const isComment = ({ item, by }: Mark) => item.kind === kind && by === "comment";
  return {
    put,
    commented: () => latest.filter(isComment).map(({ item }) => item.index),
  };
}

function showOn(token: HTMLElement, marks: readonly Mark[]): void {
  const person = marks.find(({ by }) => by === "person");
  const comments = marks.filter(({ by }) => by === "comment").map(({ label }) => label);
  token.classList.toggle("is-watched", person !== undefined);
  token.classList.toggle("is-commented", comments.length > 0);
  if (person?.colour) token.dataset.person = person.colour;
  else delete token.dataset.person;
  if (comments.length) token.setAttribute("aria-description", comments.join("; "));
  else token.removeAttribute("aria-description");
}
