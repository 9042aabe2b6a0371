// The folder is the registry: views/<stem>.ts draws the method of that stem.

import type { CreateView, TraceFamily, ViewTraits } from "../view/view";

interface ViewModule {
  create: CreateView<{ kind: string }>;
}

const modules = import.meta.glob<ViewModule>("../views/*.ts");
const traits = import.meta.glob<ViewTraits>("../views/*/traits.ts", {
  eager: true,
  import: "TRAITS",
});

export async function loadView(stem: string): Promise<CreateView<{ kind: string }> | null> {
  const load = modules[`../views/${stem}.ts`];
  return load ? (await load()).create : null;
}

/** Keys of the views' states that everybody chooses for themselves in a session. */
export const personalKeys = [
  ...["token", "pinned"], // of all views: what is selected
  ...Object.values(traits).flatMap(({ personal }) => personal ?? []),
];

/** The method whose view draws the traces of a family of decoders. */
export function stemOfTraces(family: TraceFamily): string {
  const [path = ""] = Object.entries(traits).find(([, { traces }]) => traces === family) ?? [];
  return path.split("/").at(-2) ?? "";
}
