import { describe, expect, it } from "vitest";
import { withQuery } from "../../src/base/query";
import { match, modelAddress } from "../../src/base/router.svelte";
import { advance, secondsLeft, showSeconds } from "../../src/run/eta";
import { CENTRED, drawn, stage } from "../stage";

describe("addresses", () => {
  it("lead to their pages", () => {
    expect(match("/")).toEqual({ name: "home" });
    expect(match("/runs")).toEqual({ name: "runs" });
    expect(match("/runs/abc/")).toEqual({ name: "run", id: "abc" });
    expect(match("/models/org/name")).toEqual({ name: "model", id: "org/name" });
    expect(match("/nothing")).toEqual({ name: "unknown" });
  });

  it("carry a model's id there and back", () => {
    for (const id of ["demo-lm", "org/name", "org/name@v1.0", "a b/ü?#%"]) {
      expect(match(modelAddress(id))).toEqual({ name: "model", id });
    }
  });

  it("keep any text as state", () => {
    const text = 'a&b=c #"\n\u202e👩';
    const query = withQuery("?token=3", { params: text });
    expect(new URLSearchParams(query).get("params")).toBe(text);
    expect(withQuery(query, { params: null })).toBe("?token=3");
    expect(withQuery("?token=3", { token: null })).toBe("");
  });

  it("reproduce the view they were copied from", () => {
    const first = stage();
    first.play(CENTRED);
    first.tokens().at(-2)?.click();
    first.context.state.set("granularity", "word");
    first.context.state.set("limits", "row");
    const keys = ["target", "token", "granularity", "limits"];
    const copied = keys.map((key) => [key, first.context.state.get(key) ?? ""]);
    const second = stage({ state: Object.fromEntries(copied) });
    second.play(CENTRED);
    expect(drawn(second.root)).toBe(drawn(first.root));
    expect(drawn(second.detail)).toBe(drawn(first.detail));
  });
});

describe("time left", () => {
  const mark = (stage: string, done: number, at: number) => ({
    stage,
    done,
    at,
    total: 100,
    unit: "probes",
  });

  it("follows the speed of the stage, and starts afresh with the next", () => {
    let pace = advance(null, mark("probing", 0, 0));
    expect(secondsLeft(pace)).toBeNull();
    pace = advance(pace, mark("probing", 20, 2000));
    expect(secondsLeft(pace)).toBe(8);
    pace = advance(pace, mark("judging", 50, 3000));
    expect(secondsLeft(pace)).toBeNull();
  });

  it("is said without false precision", () => {
    expect([0.2, 8.4, 99, 125].map(showSeconds)).toEqual(["under 1 s", "8 s", "99 s", "2 min"]);
  });
});
