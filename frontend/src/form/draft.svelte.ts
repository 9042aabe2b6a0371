// The run being prepared: shared by all pages, mirrored in the address of the first one.

import { problemOf, startRun, type Method, type Problem, type Run } from "../net/api";
import { lackOf, serves, servingOf } from "../base/capability";
import { catalog } from "../net/catalog.svelte";
import { router } from "../base/router.svelte";
import { uuid } from "../base/uuid";
import { asDtype, type Dtype } from "./dtype";
import type { Asked } from "./estimate.svelte";
import { carriedFrom, carriedInto, mainText } from "./carry";
import {
  check,
  changed,
  defaultsOf,
  fieldsFor,
  fieldsOf,
  withPreset,
  type Field,
  type Values,
} from "./schema";

/** Longer texts do not fit into an address that others can open. */
const LONGEST_ADDRESS = 4000;

/** A session that runs are started in. */
export interface Host {
  session: string;
  started(run: Run): void;
}

class Draft {
  /** null: a run gets a page of its own. */
  host = $state.raw<Host | null>(null);
  /** The visitor has an account; a guest starts runs in sessions alone. */
  account = $state(false);
  stem = $state("");
  model = $state("");
  /** Of all models of the run. */
  dtype = $state<Dtype>("auto");
  /** Somebody named the model; another one takes its place only when they say so. */
  #chosen = false;
  values = $state<Values>({});
  starting = $state(false);
  problem = $state.raw<Problem | null>(null);
  method = $derived<Method | undefined>(catalog.method(this.stem));
  /** Of all models; the form shows `fields`, which are the chosen model's. */
  all = $derived<Field[]>(this.method ? fieldsOf(this.method.params_schema) : []);
  fields = $derived(fieldsFor(this.all, this.#serving()));
  params = $derived(changed(this.fields, this.values));
  errors = $derived.by(() => {
    const found = this.fields.map((field) => [field.name, check(field, this.values[field.name])]);
    return Object.fromEntries(found.filter(([, error]) => error)) as Record<string, string>;
  });

  /** Why the chosen model cannot serve the method; null: it can, or nobody knows yet. */
  unable = $derived.by<Problem | null>(() => {
    const model = catalog.model(this.model);
    const lack = this.method && model && lackOf(this.method, model);
    if (!lack || !this.method) return null;
    const message = `${this.model} cannot be used here: ${lack}.`;
    return { code: "model_incompatible", message, remedy: "Choose another.", field: "model" };
  });
  /** A model that can, offered in place of one that cannot. */
  offered = $derived.by<string | null>(() => {
    const method = this.method;
    if (!this.unable || !method) return null;
    const able = catalog.models.filter((model) => lackOf(method, model) === null);
    const shown = method.examples.map(({ model }) => model);
    return able.find(({ id }) => shown.includes(id))?.id ?? able[0]?.id ?? null;
  });
  /** How the last self-check of the model in this dtype failed; empty: it passed, or is not known. */
  failedCheck = $derived(catalog.model(this.model)?.failed_checks[this.dtype] ?? "");
  /** The model was changed with the method; says from which. */
  swapped = $state("");

  /** How often somebody asked for the form by what it is to hold: it is shown then. */
  shows = $state(0);

  /** Fills the form, and shows it where it is closed or hidden. */
  edit(stem: string, model: string, params: Values, dtype: Dtype = "auto"): void {
    this.fill(stem, model, params, dtype);
    this.shows += 1;
  }

  /** Fills the form; params that are not named have their default. */
  fill(stem: string, model: string, params: Values, dtype: Dtype = "auto"): void {
    this.dtype = dtype;
    this.#kept.clear();
    this.#carried = {};
    this.#chosen = true;
    this.swapped = "";
    this.#show(stem, model, params);
  }

  #show(stem: string, model: string, params: Values): void {
    this.stem = stem;
    this.model = model;
    this.values = { ...defaultsOf(this.all), ...params };
    this.problem = null;
  }

  pick(model: string): void {
    this.model = model;
    this.#chosen = true;
    this.swapped = "";
    this.problem = null;
  }

  /** The model that is offered; its method's example where no text of the user would be lost. */
  takeOffered(): void {
    const [model, method] = [this.offered, this.method];
    if (!model || !method) return;
    this.pick(model);
    const example = method.examples.find((one) => one.model === model);
    const text = String(this.values[mainText(this.all)?.name ?? ""] ?? "");
    if (example && (text === "" || this.#isExample(text)))
      this.#show(this.stem, model, example.params);
  }

  /** A model that somebody asks for by name, with a method that can take it. */
  use(id: string): void {
    const model = catalog.model(id);
    const able = (method: Method | undefined) =>
      method !== undefined && (!model || lackOf(method, model) === null);
    const stem = able(this.method) ? undefined : catalog.methods.find(able)?.stem;
    this.pick(id);
    if (stem !== undefined) this.choose(stem);
  }

  /** What the method takes the model for; of a model of the hub nobody knows yet. */
  #serving(): string | undefined {
    const model = catalog.model(this.model);
    return this.method && model && servingOf(this.method, model);
  }

  /** A run's page may have filled the form before the catalog was read to its end. */
  begin(): void {
    if (!this.stem) this.read();
  }

  /** What each method's form held when it was left, and what goes from one to the next. */
  readonly #kept = new Map<string, Values>();
  #carried: Values = {};

  /** Another method. Texts, lengths and seed go with it; each method's own settings come back. */
  choose(stem: string): void {
    const method = catalog.method(stem);
    const text = this.#ownText();
    this.#carried = carriedFrom(this.all, $state.snapshot(this.values), this.#carried);
    this.#kept.set(this.stem, $state.snapshot(this.values));
    const example = this.#replacement(method);
    const before = this.model;
    const held = this.#kept.get(stem) ?? (text ? {} : example?.params);
    this.#show(stem, example?.model ?? before, held ?? {});
    this.swapped = example ? before : "";
    if (example && !text) return;
    this.values = { ...this.values, ...carriedInto(this.all, this.#carried) };
    const main = mainText(this.all);
    if (main && text && this.#ownText() === "") this.values[main.name] = text;
  }

  /** An example of the method, where the model is nobody's choice and cannot serve it. */
  #replacement(method: Method | undefined) {
    const model = catalog.model(this.model);
    const stays = this.#chosen || !method || (model && serves(method, model));
    return stays ? undefined : method.examples[0];
  }

  /** The main text, unless an example brought it. */
  #ownText(): string {
    const text = String(this.values[mainText(this.all)?.name ?? ""] ?? "");
    return this.#isExample(text) ? "" : text;
  }

  #isExample(text: string): boolean {
    return catalog.methods.some(({ examples }) =>
      examples.some(({ params }) => Object.values(params).includes(text)),
    );
  }

  /** What the address asks for, else the first example: Run works from the start. */
  read(): void {
    const method = catalog.method(router.get("method") ?? "") ?? catalog.methods[0];
    const named = router.get("model");
    const example = method?.examples.find(({ model }) => model === named) ?? method?.examples[0];
    const model = named ?? example?.model ?? catalog.models[0]?.id ?? "";
    const asked = router.get("params");
    this.fill(
      method?.stem ?? "",
      model,
      asked === null ? (example?.params ?? {}) : readParams(asked),
      asDtype(router.get("dtype")),
    );
    this.#chosen = named !== null;
    this.#read = this.#text();
  }

  /** The form as it was filled; only what the user changed goes into the address. */
  #read = "";
  #text = () => JSON.stringify([this.stem, this.model, this.dtype, this.params]);

  /** Keeps the first page's address equal to the form. */
  write(): void {
    if (this.#text() === this.#read) return;
    const text = JSON.stringify(this.params);
    const params = text.length > LONGEST_ADDRESS ? null : text;
    const dtype = this.dtype === "auto" ? null : this.dtype;
    router.set({ method: this.stem, model: this.model, dtype, params });
  }

  reset(): void {
    const kept = this.all.filter((field) => field.required);
    const values = Object.fromEntries(kept.map((field) => [field.name, this.values[field.name]]));
    this.values = { ...defaultsOf(this.all), ...values };
    this.problem = null;
  }

  preset(name: string): void {
    this.values = withPreset(this.fields, this.values, this.method?.presets ?? {}, name);
  }

  run(): Promise<void> {
    if (Object.keys(this.errors).length > 0 || !this.model) {
      this.problem = incomplete(this.errors, this.model);
      return Promise.resolve();
    }
    if (this.unable) {
      this.problem = this.unable;
      return Promise.resolve();
    }
    return this.start(this.stem, this.model, this.params, this.dtype);
  }

  /** What the form would run, if it could be run now and its model is known. */
  get estimable(): Asked | null {
    const known = catalog.model(this.model)?.problem === null;
    if (!(this.account || this.host)) return null;
    if (!known || this.unable || Object.keys(this.errors).length > 0) return null;
    const session = this.host ? { session: this.host.session } : {};
    const { stem: method, model, params, dtype } = this;
    return { method, model, params, dtype, ...session };
  }

  /** Other params of the same method: the form shows them, and they are run. */
  runInstead(params: Values): Promise<void> {
    this.values = { ...this.values, ...params };
    return this.run();
  }

  /** Starts a run and shows it; what the server refuses is shown at the form. */
  async start(method: string, model: string, params: Values, dtype: Dtype = "auto"): Promise<void> {
    if (this.starting) return;
    this.starting = true;
    this.problem = null;
    try {
      const { host } = this;
      const place = host ? { session: host.session } : {};
      const run = await startRun({ id: uuid(), method, model, params, dtype, ...place });
      if (host) host.started(run);
      else router.go(`/runs/${run.id}`);
    } catch (error) {
      this.problem = problemOf(error);
    } finally {
      this.starting = false;
    }
  }
}

function readParams(text: string | null): Values {
  try {
    const read: unknown = JSON.parse(text ?? "{}");
    return typeof read === "object" && read !== null ? (read as Values) : {};
  } catch {
    return {}; // an address cut short or edited by hand: the form starts empty
  }
}

function incomplete(errors: Record<string, string>, model: string): Problem {
  const [field] = Object.keys(errors);
  const message = model ? "The form is not ready to run." : "No model is chosen.";
  const remedy = model ? "Correct the marked fields." : "Choose one, or type a hub id.";
  return { code: "invalid_params", message, remedy, field: field ?? null };
}

export const draft = new Draft();
