// What the form says of time and memory, and when it asks.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  details,
  LiveEstimate,
  showBytes,
  showDuration,
  summary,
  tooLarge,
  type Estimate,
} from "../../src/form/estimate.svelte";

const COST = {
  seconds: 3000,
  low: 1500,
  high: 6000,
  loading: 20,
  memory: 2.25 * 2 ** 30,
  tokens: 500,
  rows: 2000,
  stages: [],
};
const FOUND: Estimate = {
  cost: COST,
  basis: "model",
  device: "cpu",
  available: 2 ** 34,
  warm: false,
  cheaper: null,
};
const ASKED = {
  method: "reagent",
  model: "demo-lm",
  params: { prompt: "Anna" },
  dtype: "auto" as const,
};

describe("an estimate in words", () => {
  it.each([
    [0.2, "under 1 s"],
    [40, "40 s"],
    [3000, "50 min"],
    [9000, "3 h"],
  ])("says %d seconds as %s", (seconds, text) => {
    expect(showDuration(seconds)).toBe(text);
  });

  it("names time, worker and memory", () => {
    expect(summary(FOUND)).toBe("About 50 min on this worker, 2.3 GiB");
    expect(summary({ ...FOUND, available: null })).toBe("About 50 min, 2.3 GiB");
    expect(summary({ ...FOUND, cost: null })).toBe("");
    expect(showBytes(30 * 2 ** 20)).toBe("30 MiB");
  });

  it("names the interval, what it rests on, and loading", () => {
    expect(details(FOUND)).toBe(
      "25 min to 2 h, by earlier runs of other methods on this model. " +
        "Loading the model takes 20 s of it.",
    );
    expect(details({ ...FOUND, warm: true })).toContain("The model is loaded.");
  });

  it("says that a run cannot fit, with both numbers", () => {
    expect(tooLarge(FOUND)).toBe("");
    expect(tooLarge({ ...FOUND, available: 2 ** 30 })).toBe(
      "It needs 2.3 GiB; this worker has 1.0 GiB.",
    );
    expect(tooLarge({ ...FOUND, available: null })).toBe("");
  });
});

describe("the estimate that follows the form", () => {
  const fetched = vi.fn<typeof fetch>();
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("fetch", fetched);
    fetched.mockReset();
    fetched.mockImplementation(() => Promise.resolve(Response.json(FOUND)));
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("asks once after the last change, and not again for the same form", async () => {
    const live = new LiveEstimate();
    live.follow({ ...ASKED, params: { prompt: "An" } })();
    live.follow(ASKED);
    expect(fetched).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(500);
    expect(fetched).toHaveBeenCalledTimes(1);
    expect(live.found).toEqual(FOUND);
    live.follow({ ...ASKED });
    await vi.advanceTimersByTimeAsync(500);
    expect(fetched).toHaveBeenCalledTimes(1);
  });

  it("keeps the last one while a new one is on its way, and drops it for a broken form", async () => {
    const live = new LiveEstimate();
    live.follow(ASKED);
    await vi.advanceTimersByTimeAsync(500);
    live.follow({ ...ASKED, model: "other" });
    expect(live.found).toEqual(FOUND);
    live.follow(null);
    expect(live.found).toBeNull();
  });

  it("shows nothing where the server refuses", async () => {
    fetched.mockImplementation(() =>
      Promise.resolve(Response.json({ code: "x", message: "x", remedy: "x" }, { status: 422 })),
    );
    const live = new LiveEstimate();
    live.follow(ASKED);
    await vi.advanceTimersByTimeAsync(500);
    expect(live.found).toBeNull();
  });
});
