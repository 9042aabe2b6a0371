// Methods and models, loaded once for all pages.

import { listMethods, listModels, problemOf, type Method, type Model, type Problem } from "./api";

class Catalog {
  methods = $state.raw<Method[]>([]);
  models = $state.raw<Model[]>([]);
  /** Why methods, or models, could not be read; what could be is used all the same. */
  problem = $state.raw<Problem | null>(null);
  modelsProblem = $state.raw<Problem | null>(null);
  loaded = $state(false);

  async load(): Promise<void> {
    const [methods, models] = await Promise.allSettled([listMethods(), listModels()]);
    this.problem = methods.status === "rejected" ? problemOf(methods.reason) : null;
    this.modelsProblem = models.status === "rejected" ? problemOf(models.reason) : null;
    if (methods.status === "fulfilled") this.methods = methods.value;
    if (models.status === "fulfilled") this.models = models.value;
    this.loaded = true;
  }

  method(stem: string): Method | undefined {
    return this.methods.find((method) => method.stem === stem);
  }

  model(id: string): Model | undefined {
    return this.models.find((model) => model.id === id);
  }
}

export const catalog = new Catalog();
