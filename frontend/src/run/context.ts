// What the page gives to a view.

import { get, writable, type Readable } from "svelte/store";
import { announce } from "../base/announce";
import { ApiError, fetchArtifact, fetchPicture, listEvents, listRuns, type Run } from "../net/api";
import { createArraySource, createPictureSource } from "../net/arrays";
import { catalog } from "../net/catalog.svelte";
import { draft } from "../form/draft.svelte";
import { asDtype } from "../form/dtype";
import { defaultsOf, fieldsOf } from "../form/schema";
import { textsOf } from "../form/tokenHint";
import type { ModelInfo } from "../gen/common";
import { router } from "../base/router.svelte";
import { factsOf } from "../view/facts";
import { createSelection } from "../view/selection";
import { theme } from "../base/theme";
import type { Keys, RunEntry, RunFacts, RunSource, ViewContext, ViewState } from "../view/view";
import { explainAddress } from "./explain";

/** As the page knows it: defaults of the method's form, and whether the run was computed earlier. */
export function pageFacts(run: Run, info: ModelInfo | null): RunFacts {
  const schema = catalog.method(run.method)?.params_schema ?? {};
  return factsOf(run, info, defaultsOf(fieldsOf(schema)), { cached: run.cached_from !== null });
}

/** The query of the address; the view is notified of every change. */
function addressState(): ViewState {
  const listeners = new Set<() => void>();
  const notify = () => listeners.forEach((changed) => changed());
  return {
    get: (key) => new URLSearchParams(location.search).get(key),
    set: (key, value) => {
      router.set({ [key]: value });
      notify();
    },
    subscribe: (changed) => {
      listeners.add(changed);
      const stop = router.subscribe(changed);
      return () => {
        listeners.delete(changed);
        stop();
      };
    },
  };
}

const MOST_RUNS = 200;

function entryOf({ id, method, model, params, status, created_at }: Run): RunEntry {
  return { id, method, model, params, status, createdAt: created_at };
}

const runs: RunSource = {
  list: async () => (await listRuns(MOST_RUNS)).map(entryOf),
  events: listEvents,
};

/** What each view of a page has of its own. */
export type Place = Pick<ViewContext, "detail" | "state" | "selection" | "keys" | "prefix">;

const documentKeys: Keys = (press) => {
  document.addEventListener("keydown", press);
  return () => document.removeEventListener("keydown", press);
};

/** The place of a view that has a page to itself. */
export function pagePlace(detail: HTMLElement): Place {
  const selection = createSelection();
  return { detail, state: addressState(), selection, keys: documentKeys, prefix: "" };
}

/** What a view has where it draws no run, but only shows what is known. */
export function plainContext(place: Place, facts: Readable<RunFacts>): ViewContext {
  return {
    ...place,
    arrays: createArraySource(fetchArtifact),
    pictures: createPictureSource(fetchPicture),
    marks: writable([]),
    places: writable(() => null),
    theme,
    run: facts,
    announce,
    frame: (draw) => requestAnimationFrame(draw),
  };
}

async function knownTexts(model: string, ids: readonly number[]) {
  if (catalog.model(model)?.problem !== null) return new Map<number, string>();
  return textsOf(model, ids).catch((error: unknown) => {
    if (error instanceof ApiError) return new Map<number, string>();
    throw error;
  });
}

export function createViewContext(place: Place, run: Run, info: ModelInfo | null) {
  const facts = writable(pageFacts(run, info));
  const context: ViewContext = {
    ...plainContext(place, facts),
    runs,
    tokenTexts: (ids) => knownTexts(get(facts).model, ids),
    explain: (wanted) => {
      const { method, model, params } = get(facts);
      const source = { method: catalog.method(method), model, params };
      return explainAddress(source, wanted, catalog.methods, catalog.models);
    },
    rerun: (changes) => {
      const { method, model, params, dtype } = get(facts);
      void draft.start(method, model, { ...params, ...changes }, asDtype(dtype));
    },
  };
  return { context, facts };
}
