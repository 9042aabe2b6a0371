// Where keys belong to what is typed in, not to the view.

export const TYPING =
  "input, textarea, select, [contenteditable], [role=dialog], [role=menu], [data-typing]";
