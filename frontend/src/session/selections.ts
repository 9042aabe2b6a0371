// Panels on the same model and text share one selection: what is hovered in one lights up in all.

import type { Field } from "../form/schema";
import type { Run } from "../net/api";
import { indexOf, positionItem } from "../view/position";
import { createSelection, type Item, type Selected, type Selection } from "../view/selection";
import { outputIndex, outputItem } from "../views/decoding/shown";

/** What is read, by role or control; positions in it mean the same in every method. */
const READ = ["prompt", "question", "chat", "special_tokens", "image", "subject", "segments"];

type Read = Pick<Run, "model" | "params">;

/** Equal for runs that read the same. */
export function textKey({ model, params }: Read, fields: readonly Field[]): string {
  const read = READ.map((part) => {
    const own = fields.filter(({ role, control }) => role === part || control === part);
    return own.map((field) => params[field.name] ?? field.default);
  });
  return JSON.stringify([model, read]);
}

export function createSelections(): (run: Read, fields: readonly Field[]) => Selection {
  const known = new Map<string, Selection>();
  return (run, fields) => {
    const key = textKey(run, fields);
    const selection = known.get(key) ?? createSelection();
    known.set(key, selection);
    return selection;
  };
}

/**
 * The shared selection as a decoder sees it: decoders count their output from the prompt's end, all
 * others from the text's begin. `promptLength` is null until it is known.
 */
export function countedFromPrompt(shared: Selection, promptLength: () => number | null): Selection {
  const outward = (item: Item | null): Item | null => {
    const [length, index] = [promptLength(), outputIndex(item)];
    return length === null || index === null ? item : positionItem(length + index);
  };
  const inward = (item: Item | null): Item | null => {
    const [length, index] = [promptLength(), indexOf(item)];
    return length === null || index === null || index < length ? item : outputItem(index - length);
  };
  const seen = ({ hover, primary, pinned, set }: Selected): Selected => ({
    hover: inward(hover),
    primary: inward(primary),
    pinned: inward(pinned),
    set: set.flatMap((item) => inward(item) ?? []),
  });
  return {
    subscribe: (run) => shared.subscribe((now) => run(seen(now))),
    hover: (item) => shared.hover(outward(item)),
    choose: (item) => shared.choose(outward(item)),
    chooseSet: (items) => shared.chooseSet(items.flatMap((item) => outward(item) ?? [])),
    pin: (item) => shared.pin(outward(item)),
    clear: () => shared.clear(),
  };
}
