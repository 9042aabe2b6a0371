// Methods and models, loaded once for all pages.

import { listMethods, listModels, problemOf, type Method, type Model, type Problem } from "./api";

class Catalog {
  methods = $state.raw<Method[]>([]);
  models = $state.raw<Model[]>([]);
  problem = $state.raw<Problem | null>(null);
  loaded = $state(false);

  async load(): Promise<void> {
    this.problem = null;
    try {
      [this.methods, this.models] = await Promise.all([listMethods(), listModels()]);
      this.loaded = true;
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  method(stem: string): Method | undefined {
    return this.methods.find((method) => method.stem === stem);
  }

  model(id: string): Model | undefined {
    return this.models.find((model) => model.id === id);
  }
}

export const catalog = new Catalog();
