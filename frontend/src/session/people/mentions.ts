// Naming a member in a comment: @name.

const BEFORE_CARET = /(?:^|[\s(])@([\w.@+-]{0,150})$/u;

/** What has been typed of a name before the caret; null where no name is being typed. */
export const typedName = (text: string, caret: number): string | null =>
  BEFORE_CARET.exec(text.slice(0, caret))?.[1] ?? null;

/** At most `most` names, those that begin so before those that contain it. */
export function matching(names: readonly string[], typed: string, most = 6): string[] {
  const wanted = typed.toLocaleLowerCase();
  const place = (name: string) => name.toLocaleLowerCase().indexOf(wanted);
  return names
    .filter((name) => place(name) >= 0)
    .sort((a, b) => Math.min(1, place(a)) - Math.min(1, place(b)) || a.localeCompare(b))
    .slice(0, most);
}

/** The text with the name written out, and where the caret then is. */
export function complete(text: string, caret: number, name: string) {
  const typed = typedName(text, caret) ?? "";
  const before = `${text.slice(0, caret - typed.length)}${name} `;
  return { text: before + text.slice(caret).replace(/^ /, ""), caret: before.length };
}
