import { describe, expect, it } from "vitest";
import type { RunEntry } from "../../../src/view/view";
import { align } from "../../../src/views/decoding/align";
import { branchTree, describe as say, withDecision } from "../../../src/views/decoding/branches";
import { tracesOf } from "../../../src/views/decoding/added";
import { BadTrace, eventsOf, readTraces, writeTraces } from "../../../src/views/decoding/file";
import { branchPointsOf, type RunEvent, type TraceEvent } from "../../../src/views/decoding/traces";
import { textOf, writtenOf } from "../../../src/views/decoding/written";
import { nodesOf, segments, trieOf } from "../../../src/views/cntp/trie";
import {
  refuse,
  tally,
  thresholdsOf,
  trialsAt,
  type Thresholds,
} from "../../../src/views/cntp/remap";
import { commitSteps, momentOf } from "../../../src/views/local_leap/moment";
import cntp from "../../fixtures/cntp.json";
import leap from "../../fixtures/local_leap.json";

const CNTP = cntp as unknown as TraceEvent[];
const LEAP = leap as unknown as TraceEvent[];

describe("what events add up to", () => {
  it.each([
    ["cntp", CNTP],
    ["local_leap", LEAP],
  ])("writes the output of %s from its steps alone, before the end says it", (_, events) => {
    const whole = tracesOf(events);
    const steps = tracesOf(events.filter(({ kind }) => kind !== "output_tokens"));
    expect(whole.traces.length).toBeGreaterThan(2);
    whole.traces.forEach((trace, i) => {
      const ids = writtenOf(steps.traces[i] ?? trace).map((one) => one.id);
      expect(ids).toEqual(trace.output?.ids);
      expect(textOf(trace)).toBe(trace.output?.texts.join(""));
    });
  });

  it("joins a trial's stretches, also when they come twice", () => {
    const part = CNTP.find((event) => event.kind === "trial_tokens");
    if (part?.kind !== "trial_tokens") throw new Error("no trial");
    const cut = (from: number, to: number) => ({
      ...part,
      start: from,
      ids: part.ids.slice(from, to),
      texts: part.texts.slice(from, to),
      logprobs: part.logprobs.slice(from, to),
      logprobs_raw: part.logprobs_raw.slice(from, to),
      entropies: part.entropies.slice(from, to),
      ranks: part.ranks.slice(from, to),
    });
    const others = CNTP.filter((event) => event !== part);
    const at = CNTP.indexOf(part);
    const parts = [cut(0, 2), cut(2, 99), cut(2, 99)];
    const split = tracesOf([...others.slice(0, at), ...parts, ...others.slice(at)]);
    const path = split.traces[0]?.fans.get(part.index)?.paths[part.trial];
    expect(path?.ids).toEqual(part.ids);
    expect(path?.ranks).toEqual(part.ranks);
  });
});

describe("the prefix tree", () => {
  const branchPoints = tracesOf(CNTP).traces.flatMap(branchPointsOf);

  it("has as many nodes as the decoder counted, and ends every trial once", () => {
    expect(branchPoints.length).toBeGreaterThan(4);
    for (const { branchPoint, fan } of branchPoints) {
      const roots = trieOf(fan);
      expect(nodesOf(roots)).toBe(branchPoint.nodes);
      const ends = [...segments(roots)].flatMap((segment) => segment.ends);
      expect(ends.sort((a, b) => a - b)).toEqual(branchPoint.trials.map((_, i) => i));
    }
  });

  it("puts the winner on the first line", () => {
    for (const { branchPoint, fan } of branchPoints) {
      const winning = [...segments(trieOf(fan))].filter((segment) => segment.winning);
      expect(winning.every(({ row }) => row === 0)).toBe(true);
      expect(winning.at(-1)?.ends).toContain(branchPoint.winner);
    }
  });

  it("gives a line of its own to a trial that ends where another goes on", () => {
    const path = (ids: number[]) => ({
      ids,
      texts: ids.map(String),
      logprobs: ids.map(() => -1),
      logprobs_raw: ids.map(() => -1),
      entropies: ids.map(() => 1),
      ranks: ids.map(() => 1),
    });
    const roots = trieOf({
      branchPoint: null,
      paths: [path([1, 2]), path([1, 2, 3]), path([1, 4])],
    });
    const lines = [...segments(roots)].map(({ tokens, ends, row }) => [tokens.length, ends, row]);
    expect(lines).toEqual([
      [1, [], 0],
      [1, [], 0],
      [1, [1], 0],
      [0, [0], 1],
      [1, [2], 2],
    ]);
  });
});

describe("other thresholds without a new run", () => {
  const base: Thresholds = { low: 0.5, high: 1.5, most: 10, formula: "code", mode: "entropy" };

  it("gives the recorded trial counts back from the stored entropies", () => {
    const trace = tracesOf(CNTP).traces[0];
    const thresholds = thresholdsOf(trace?.start.settings ?? {});
    if (!trace || !thresholds) throw new Error("no thresholds");
    for (const step of trace.steps) expect(trialsAt(step.entropy, thresholds)).toBe(step.trials);
    expect(new Set(trace.steps.map((step) => step.trials)).size).toBeGreaterThan(1);
  });

  it.each([
    [0.0, 1, 1],
    [0.5, 1, 1],
    [0.6, 1, 1],
    [0.72, 2, 2],
    [1.0, 5, 5],
    [1.49, 9, 9],
    [1.5, 10, 10],
    [9.0, 10, 10],
  ])("maps H = %f to %i trials (code), %i (paper)", (entropy, code, paper) => {
    expect(trialsAt(entropy, base)).toBe(code);
    expect(trialsAt(entropy, { ...base, formula: "paper" })).toBe(paper);
  });

  it("tells the formulas apart where they differ", () => {
    expect(trialsAt(0.65, { ...base, most: 8 })).toBe(2); // ⌊1 + 7 · 0.15⌋
    expect(trialsAt(0.65, { ...base, most: 8, formula: "paper" })).toBe(1); // ⌊8 · 0.15⌋
  });

  it("turns round for the negative mode and stands still for the fixed one", () => {
    expect(trialsAt(9, { ...base, mode: "negative" })).toBe(1);
    expect(trialsAt(0, { ...base, mode: "negative" })).toBe(10);
    expect(trialsAt(0, { ...base, mode: "fixed" })).toBe(10);
  });

  it("counts branch points and their trials, and refuses thresholds out of order", () => {
    expect(tally([1, 3, 1, 7])).toEqual({ branchPoints: 2, trials: 10, most: 7 });
    expect(refuse(base)).toBeNull();
    expect(refuse({ ...base, high: 0.5 })).toContain("H_hi");
    expect(refuse({ ...base, most: NaN })).toContain("N_max");
  });
});

describe("alignment", () => {
  const split = (text: string) => [...text];

  it("finds the first difference, and what is shared after it", () => {
    const found = align(split("the cat sat"), split("the dog sat"));
    expect(found.divergence).toBe(4);
    expect(found.shared.map((one) => (one ? "=" : "x")).join("")).toBe("====xxx====");
  });

  it("differs at the end where one text goes on", () => {
    expect(align(split("ab"), split("abc"))).toEqual({
      divergence: 2,
      shared: [true, true, false],
    });
    expect(align(split("ab"), split("ab")).divergence).toBeNull();
    expect(align([], split("a")).divergence).toBe(0);
  });
});

describe("branches", () => {
  const run = (id: string, forced: unknown[], more: Record<string, unknown> = {}): RunEntry => ({
    id,
    method: "cntp",
    model: "m",
    params: { prompt: "p", seed: 1, decoder: "cntp", ...more, forced },
    status: "done",
    createdAt: id,
  });
  const first = { position: 2, token: 7 };
  const second = { position: 5, trial: 3 };

  it("are children of the run with the most of their decisions", () => {
    const current = run("c", [first, second]);
    const runs = [run("a", []), run("b", [first]), current, run("x", [], { seed: 2 })];
    const [root, ...rest] = branchTree(runs, current);
    expect(rest).toEqual([]);
    expect(root?.run.id).toBe("a");
    expect(root?.children[0]?.run.id).toBe("b");
    expect(root?.children[0]?.children[0]?.added).toEqual([second]);
  });

  it("are roots where their parent run is gone", () => {
    const current = run("c", [first, second]);
    expect(branchTree([], current).map(({ run: { id } }) => id)).toEqual(["c"]);
  });

  it("of another decoder are children of the run without decisions", () => {
    const current = run("c", [first], { decoder: "greedy" });
    const [root] = branchTree([run("a", []), run("b", [first]), current], current);
    expect(root?.children.map(({ run: { id } }) => id)).toEqual(["b", "c"]);
  });

  it("keep earlier decisions and undo later ones", () => {
    expect(withDecision([first, second], { position: 3, token: 1 })).toEqual([
      first,
      { position: 3, token: 1 },
    ]);
    const commit = (step: number, position: number) => ({ step, position, token: 1 });
    const kept = withDecision([commit(1, 4), commit(2, 5), commit(3, 6)], commit(2, 9));
    expect(kept).toEqual([commit(1, 4), commit(2, 5), commit(2, 9)]);
  });

  it("are named by token, place and step", () => {
    expect(say(first, () => " cat")).toBe("“ cat” at position 3");
    expect(say(second, () => "")).toBe("trial 4 at position 6");
    expect(say({ step: 4, position: 1, token: 9 }, () => "x")).toBe("“x” at position 2 in step 5");
  });
});

describe("a canvas at one moment", () => {
  const trace = tracesOf(LEAP).traces[0];
  if (!trace) throw new Error("no trace");

  it("is all masks before, and all written after", () => {
    const last = momentOf(trace, trace.canvas.length - 1);
    expect(last.map((place) => place.text).join("")).toBe(trace.output?.texts.join(""));
    const first = momentOf(trace, 0);
    const fresh = first.filter(({ state }) => state === "fresh").map(({ position }) => position);
    expect(fresh).toEqual(trace.canvas[0]?.commits.map(({ position }) => position));
    expect(first.slice(trace.start.block ?? 0).every(({ state }) => state === "closed")).toBe(true);
  });

  it("knows near misses and their neighbourhood", () => {
    const at = trace.canvas.findIndex((step) => step.near_misses.length > 0);
    const missed = momentOf(trace, at).filter((place) => place.nearMiss);
    expect(missed.map(({ position }) => position)).toEqual(trace.canvas[at]?.near_misses);
    expect(missed.every(({ near, state }) => near && state === "waiting")).toBe(true);
    expect(commitSteps(trace).size).toBe(trace.start.length);
  });
});

describe("a trace file", () => {
  const text = writeTraces(CNTP);
  const changed = (change: (events: TraceEvent[]) => void): string => {
    const document = JSON.parse(text) as { events: TraceEvent[] };
    change(document.events);
    return JSON.stringify(document);
  };
  const problem = (given: string): string => {
    try {
      readTraces(given);
    } catch (error) {
      expect(error).toBeInstanceOf(BadTrace);
      expect((error as BadTrace).remedy).not.toBe("");
      return (error as BadTrace).message;
    }
    return "";
  };

  it.each([
    ["cntp", CNTP],
    ["local_leap", LEAP],
  ])("of %s reads back as it was", (_, events) => {
    const read = tracesOf(readTraces(writeTraces(events)));
    expect(writeTraces(eventsOf(read))).toBe(writeTraces(events));
  });

  it("may be the events of a run, one per line, progress among them", () => {
    const progress = { kind: "progress", stage: "x", done: 0, total: 1, unit: "y" } as RunEvent;
    const lines = [progress, ...CNTP].map((event) => JSON.stringify(event)).join("\n");
    expect(writeTraces(readTraces(lines))).toBe(text);
  });

  it.each([
    ["nothing", "", /not valid JSON/],
    ["a picture", "\u0089PNG", /not valid JSON/],
    ["another document", '{"a": 1}', /format is missing/],
    ["a later version", '{"format":"glassbench.trace","version":2,"events":[]}', /version is 2/],
    ["no trace", '{"format":"glassbench.trace","version":1,"events":[]}', /no trace/],
    ["an unknown kind", '{"kind":"constructor"}', /kind is "constructor"/],
  ])("is refused: %s", (_, given, message) => {
    expect(problem(given)).toMatch(message);
  });

  it.each<[string, (events: TraceEvent[]) => void, RegExp]>([
    [
      "a number that is none",
      (events) => Object.assign(events[2] ?? {}, { entropy: "high" }),
      /Event 2 \(step\)\.entropy: number is needed/,
    ],
    ["a field too many", (events) => Object.assign(events[1] ?? {}, { extra: 1 }), /unknown field/],
    [
      "a field that is missing",
      (events) => delete (events[1] as unknown as Record<string, unknown>).label,
      /label: it is missing/,
    ],
    ["a step left out", (events) => events.splice(2, 1), /before|follows|not/],
    [
      "another output",
      (events) => {
        const output = events.find((event) => event.kind === "output_tokens");
        if (output?.kind === "output_tokens") output.ids[0] = 5;
      },
      /do not write the output/,
    ],
    [
      "a length that would fill the memory",
      (events) => Object.assign(events[1] ?? {}, { length: 1e9 }),
      /at most 16384/,
    ],
    [
      "a trial of an absurd number",
      (events) => {
        const part = events.find((event) => event.kind === "trial_tokens");
        Object.assign(part ?? {}, { trial: 4e9 });
      },
      /no trial 4000000000/,
    ],
    ["a trace twice", (events) => events.push(events[1] as TraceEvent), /not numbered/],
  ])("is refused: %s", (_, change, message) => {
    expect(problem(changed(change))).toMatch(message);
  });
});
