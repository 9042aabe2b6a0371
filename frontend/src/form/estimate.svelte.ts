// Time and memory of the run in the form, asked for as the form changes.

import { answered, client } from "../net/api";
import type { components } from "../gen/api";
import type { Dtype } from "./dtype";
import type { Values } from "./schema";

type Schemas = components["schemas"];
export type Estimate = Schemas["EstimateOut"];
export type Cost = Schemas["CostOut"];
export type Cheaper = Schemas["CheaperOut"];

export interface Asked {
  method: string;
  model: string;
  params: Values;
  dtype: Dtype;
  session?: string;
}

/** A run that takes longer is asked about; the server offers a cheaper variant from there on. */
export const ASKS_FROM = 600;
const WAIT = 400; // milliseconds after the last change

const readEstimate = (asked: Asked) => answered(client.POST("/api/estimates", { body: asked }));

/** The estimate of the last form that could run; it stays while a new one is on its way. */
export class LiveEstimate {
  found = $state.raw<Estimate | null>(null);
  #key = "";

  /** null: the form cannot run. */
  follow(asked: Asked | null): () => void {
    const key = JSON.stringify(asked);
    if (asked === null) {
      this.#key = key;
      this.found = null;
      return () => undefined;
    }
    if (key === this.#key) return () => undefined;
    let current = true;
    const timer = setTimeout(() => void look(), WAIT);
    const look = async (): Promise<void> => {
      const found = await readEstimate(asked).catch(() => null);
      if (!current) return;
      this.#key = key;
      this.found = found;
    };
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }
}

export function showDuration(seconds: number): string {
  if (seconds < 1) return "under 1 s";
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export const showBytes = (bytes: number): string =>
  bytes >= 2 ** 30 / 10
    ? `${(bytes / 2 ** 30).toFixed(1)} GiB`
    : `${Math.round(bytes / 2 ** 20)} MiB`;

const BASES: Record<Estimate["basis"], string> = {
  method: "earlier runs of this method on this model",
  model: "earlier runs of other methods on this model",
  device: "earlier runs of other models on this worker",
  calibration: "the speed that the worker measured when it started",
  none: "the speed of an ordinary machine; no worker has been measured yet",
};

/** "about 50 min", "under 1 s". */
export function about(seconds: number): string {
  const duration = showDuration(seconds);
  return duration.startsWith("under") ? duration : `about ${duration}`;
}

/** "About 50 min on this worker, 2.1 GiB"; empty where nothing is known. */
export function summary({ cost, available }: Estimate): string {
  if (!cost) return "";
  const where = available === null ? "" : " on this worker";
  const time = about(cost.seconds);
  return `${time.charAt(0).toUpperCase()}${time.slice(1)}${where}, ${showBytes(cost.memory)}`;
}

/** What the summary rests on, and its interval. */
export function details({ cost, basis, warm }: Estimate): string {
  if (!cost) return "";
  const loading = warm
    ? "The model is loaded."
    : `Loading the model takes ${showDuration(cost.loading)} of it.`;
  const between = `${showDuration(cost.low)} to ${showDuration(cost.high)}`;
  return `${between}, by ${BASES[basis]}. ${loading}`;
}

/** Why the run cannot fit; empty where it can, or where nobody knows. */
export function tooLarge({ cost, available }: Estimate): string {
  if (!cost || available === null || cost.memory <= available) return "";
  return `It needs ${showBytes(cost.memory)}; this worker has ${showBytes(available)}.`;
}
