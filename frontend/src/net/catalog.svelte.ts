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

  /** What a load has just shown of a model; empty: its self-check passed. */
  noteCheck(id: string, dtype: string, failure: string): void {
    this.models = this.models.map((model) => {
      if (model.id !== id) return model;
      const others = Object.entries(model.failed_checks).filter(([name]) => name !== dtype);
      const now = failure ? [[dtype, failure] as const] : [];
      return { ...model, failed_checks: Object.fromEntries([...others, ...now]) };
    });
  }

  method(stem: string): Method | undefined {
    return this.methods.find((method) => method.stem === stem);
  }

  model(id: string): Model | undefined {
    return this.models.find((model) => model.id === id);
  }
}

export const catalog = new Catalog();
