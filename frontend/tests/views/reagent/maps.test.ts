import { describe, expect, it } from "vitest";
import { createArraySource } from "../../../src/net/arrays";
import type { Change } from "../../../src/view/fold";
import type { MethodEvent } from "../../../src/gen/reagent";
import { groupsOf, rowOfTarget, unitsOf, type Unit } from "../../../src/views/reagent/maps";
import { isFaint } from "../../../src/views/reagent/shown";
import { changeOf, EMPTY, type State } from "../../../src/views/reagent/state";
import { CENTRED } from "../../stage";

const arrays = createArraySource(() => Promise.reject(new Error("no server")));

function play(events: readonly MethodEvent[]): State {
  return events.reduce((state, event) => (changeOf(event, arrays) as Change<State>)(state), EMPTY);
}

const STATE = play(CENTRED);
const sum = (units: readonly Unit[]) => units.reduce((total, unit) => total + unit.mean, 0);

describe("granularity", () => {
  it.each(["word", "sentence"] as const)("sums token scores into each %s", (granularity) => {
    const tokens = unitsOf(STATE, 1, "token");
    const groups = unitsOf(STATE, 1, granularity);
    for (const unit of groups.filter((one) => one.state === "scored")) {
      const parts = unit.positions.flatMap((position) => tokens[position] ?? []);
      expect(unit.mean).toBeCloseTo(sum(parts), 9);
    }
  });

  it("takes the standard error of a word from the run, not from its tokens", () => {
    const groups = groupsOf(STATE.tokens, "word");
    const row = 4;
    const words = unitsOf(STATE, row, "word").filter((one) => one.state === "scored");
    const word = words.find((one) => one.positions.length > 1) as Unit;
    const maps = STATE.maps as NonNullable<State["maps"]>;
    expect(groups[word.index]).toEqual(word.positions);
    expect(word.error).toBe(maps.wordError[row * maps.words + word.index]);
    expect(word.error).toBeGreaterThan(0);
  });

  it("masks what was never replaced and what was not yet read", () => {
    const units = unitsOf(STATE, 1, "token");
    expect(units[0]?.state).toBe("masked"); // <s>
    expect(units[STATE.promptLength - 1]?.state).toBe("scored");
    expect(units[STATE.promptLength]?.state).toBe("outside");
    const later = unitsOf(STATE, 3, "token");
    expect(later[STATE.promptLength]?.state).toBe("scored"); // outputs are inputs of later ones
  });

  it.each(["word", "sentence"] as const)("scores a %s up to the target that cuts it", (by) => {
    const steps = STATE.output?.steps.length ?? 0;
    let parts = 0;
    for (let row = 1; row <= steps; row++) {
      const tokens = unitsOf(STATE, row, "token");
      for (const unit of unitsOf(STATE, row, by)) {
        const scored = unit.positions.filter((at) => tokens[at]?.state === "scored");
        const sum = scored.reduce((total, at) => total + (tokens[at]?.mean ?? 0), 0);
        const outside = unit.positions.some((at) => tokens[at]?.state === "outside");
        expect(unit.state === "scored").toBe(scored.length > 0);
        expect(unit.rank !== null).toBe(scored.length > 0);
        expect(unit.partial).toBe(scored.length > 0 && outside);
        expect(unit.mean).toBeCloseTo(sum, 6);
        parts += Number(unit.partial);
      }
    }
    expect(parts).toBeGreaterThan(by === "sentence" ? 0 : -1);
  });

  it("ranks what has a score, the highest first", () => {
    const ranked = unitsOf(STATE, 1, "token").filter((unit) => unit.rank !== null);
    const byRank = [...ranked].sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
    const means = byRank.map((unit) => unit.mean);
    expect(means).toEqual([...means].sort((a, b) => b - a));
  });
});

describe("a score within two standard errors of 0", () => {
  it("is faint, whatever its sign", () => {
    expect(isFaint(STATE, 0.19, 0.1)).toBe(true);
    expect(isFaint(STATE, -0.19, 0.1)).toBe(true);
    expect(isFaint(STATE, 0.21, 0.1)).toBe(false);
    expect(isFaint(STATE, 0, 0)).toBe(false);
  });
});

describe("events", () => {
  it("never let older scores replace newer ones", async () => {
    const scores = CENTRED.filter((event) => event.kind === "scores");
    const [first, last] = [scores[0], scores.at(-1)];
    const state = play(CENTRED);
    const back = (changeOf(first as MethodEvent, arrays) as Change<State>)(state);
    expect(back.maps?.event.probes).toBe((last as { probes: number }).probes);
  });

  it("fill the tokens of a long context stretch by stretch", () => {
    const tokens = CENTRED.find((event) => event.kind === "tokens");
    if (tokens?.kind !== "tokens") throw new Error("The fixture has no tokens.");
    const half = Math.floor(tokens.tokens.length / 2);
    const parts: MethodEvent[] = [
      { ...tokens, tokens: tokens.tokens.slice(0, half) },
      { ...tokens, start: half, tokens: tokens.tokens.slice(half) },
    ];
    expect(play(parts).tokens).toEqual(tokens.tokens);
  });
});

it("reads the target from the address, and falls back to the run's own", () => {
  expect(["0", "3", "4", "-1", "x", "1.5", null].map((text) => rowOfTarget(text, STATE))).toEqual([
    1, 4, 0, 0, 0, 0, 0,
  ]);
});
