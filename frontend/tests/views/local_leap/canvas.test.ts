// The canvas of a diffusion model: what its fill says, and the end-of-text tokens at its end.

import { afterEach, describe, expect, it } from "vitest";
import { sourceOf } from "../../../src/pictures/figure";
import type { RunEvent } from "../../../src/views/decoding/traces";
import { create } from "../../../src/views/local_leap";
import recorded from "../../fixtures/local_leap.json";
import { stageOf } from "../../stage";

afterEach(() => document.body.replaceChildren());

const LEAP = recorded as unknown as RunEvent[];
const END = { id: 1, text: "</s>" };

/** The recorded run, as if the canvas ended in end-of-text tokens from a position on. */
const endedFrom = (first: number): RunEvent[] =>
  LEAP.map((event) => {
    if (event.kind !== "canvas") return event;
    const commits = event.commits.map((one) => (one.position >= first ? { ...one, ...END } : one));
    return { ...event, commits };
  });

function played(events: readonly RunEvent[], state: Record<string, string> = {}) {
  const stage = stageOf(create, { state });
  stage.play(events);
  const figure = stage.root.querySelector("[data-figure=canvas]") as HTMLElement;
  const cells = () => [...figure.querySelectorAll<HTMLElement>(".cell")];
  const tail = () => figure.querySelector<HTMLButtonElement>(".canvas-tail button");
  return { ...stage, figure, cells, tail, seen: () => cells().filter((cell) => !cell.hidden) };
}

describe("the end of a canvas", () => {
  it("is folded behind the first end-of-text token, and shown on demand", () => {
    const { seen, cells, tail, context, figure } = played(endedFrom(6));
    expect(cells()).toHaveLength(16);
    expect(seen()).toHaveLength(7);
    expect(seen().at(-1)?.textContent).toContain("</s>");
    expect(tail()?.textContent).toBe("Show 9 more end-of-text tokens");
    expect([...figure.querySelectorAll<HTMLElement>(".block")].map((one) => one.hidden)).toEqual([
      false,
      true,
    ]);
    const source = sourceOf(figure);
    expect(source?.table().rows).toHaveLength(16);
    expect(source?.svg?.().textContent).toContain("Not drawn: 9 more");
    tail()?.click();
    expect(context.state.get("tail")).toBe("1");
    expect(seen()).toHaveLength(16);
    expect(tail()?.getAttribute("aria-expanded")).toBe("true");
    tail()?.click();
    expect(seen()).toHaveLength(7);
  });

  it.each([
    [12, 16],
    [11, 12],
    [0, 1],
  ])("from position %i on leaves %i in sight", (first, count) => {
    expect(played(endedFrom(first)).seen()).toHaveLength(count);
  });

  it("is not guessed while the run goes on, nor where text goes on behind it", () => {
    const going = endedFrom(6).filter(({ kind }) => kind !== "trace_end");
    expect(played(going).seen()).toHaveLength(16);
    expect(played(LEAP).seen()).toHaveLength(16);
    expect(played(LEAP).tail()?.hidden).toBe(true);
  });

  it("is shown at the chosen token", () => {
    expect(played(endedFrom(6), { token: "14" }).seen()).toHaveLength(16);
  });
});

describe("the fill", () => {
  it("says first in which step each token was written, in numbers too", () => {
    const { cells, figure } = played(LEAP);
    const steps = cells().map((cell) => Number(cell.querySelector(".cell-step")?.textContent));
    expect(Math.min(...steps)).toBe(1);
    expect(Math.max(...steps)).toBe(6);
    const colours = new Map(cells().map((cell, i) => [steps[i], cell.style.backgroundColor]));
    expect(new Set(colours.values()).size).toBe(new Set(steps).size);
    expect(figure.textContent).toContain("number of the step that committed the token");
  });

  it("says how probable each token was where that is asked for", () => {
    const { cells, figure, context } = played(LEAP);
    const written = cells().map((cell) => cell.style.backgroundColor);
    const radio = [...figure.querySelectorAll<HTMLInputElement>("input[type=radio]")].find(
      ({ value }) => value === "confidence",
    );
    radio?.click();
    expect(context.state.get("fill")).toBe("confidence");
    expect(cells().map((cell) => cell.style.backgroundColor)).not.toEqual(written);
    expect(cells().every((cell) => !cell.querySelector(".cell-step")?.textContent)).toBe(true);
    expect(figure.textContent).toContain("confidence, the probability of the token");
  });
});
