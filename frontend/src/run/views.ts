// The folder is the registry: views/<stem>.ts draws the method of that stem.

import type { CreateView } from "../view/view";

interface ViewModule {
  create: CreateView<{ kind: string }>;
}

const modules = import.meta.glob<ViewModule>("../views/*.ts");

export async function loadView(stem: string): Promise<CreateView<{ kind: string }> | null> {
  const load = modules[`../views/${stem}.ts`];
  return load ? (await load()).create : null;
}
