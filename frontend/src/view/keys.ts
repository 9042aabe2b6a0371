// Which key presses act on a view, whatever the keyboard's layout: the one guard of all of them.

const TYPING =
  "input:not([type=range]), textarea, select, [contenteditable], [role=dialog], [role=menu], " +
  "[data-typing]";
/** Many layouts type these with AltGr, which Windows sends as Ctrl + Alt, or with Option. */
const BRACKETS: ReadonlySet<string> = new Set(["[", "]", "{", "}"]);

type Pressed = Pick<KeyboardEvent, "key" | "ctrlKey" | "altKey" | "metaKey">;

/** The key, typed without or with Shift; null: with a modifier that makes it a shortcut. */
export function plainKey({ key, ctrlKey, altKey, metaKey }: Pressed): string | null {
  if (metaKey) return null;
  const typed = BRACKETS.has(key) ? altKey || !ctrlKey : !ctrlKey && !altKey;
  return typed ? key : null;
}

/** Whether a key belongs to what has the focus, such as a text field, or was handled already. */
export const isElsewhere = (event: KeyboardEvent, elsewhere = TYPING): boolean =>
  event.defaultPrevented || Boolean((event.target as Partial<Element>).closest?.(elsewhere));

/** The key that a view acts on; null: it is text, a shortcut, or handled already. */
export const viewKey = (event: KeyboardEvent, elsewhere = TYPING): string | null =>
  isElsewhere(event, elsewhere) ? null : plainKey(event);
