import { describe, expect, it } from "vitest";
import { fieldsOf } from "../../src/form/schema";
import { askedFor as ask } from "../../src/form/tokenHint";
import { readGiven, showGiven } from "../../src/form/tokenIds";
import cntp from "../../../workbench/gen/methods/cntp.json";
import graph_kv from "../../../workbench/gen/methods/graph_kv.json";
import reagent from "../../../workbench/gen/methods/reagent.json";

describe("tokens by their ids", () => {
  it.each([
    ["#12", false, 12],
    [" #12 ", false, 12],
    ["#12", true, [12]],
    ["#12 #40,#3", true, [12, 40, 3]],
    ["#12 #40", false, "#12 #40"],
    ["# 12", true, "# 12"],
    ["#1 in the list", true, "#1 in the list"],
    [" Paul", false, " Paul"],
    ["", true, ""],
  ])("reads %j (several: %s)", (text, many, value) => {
    expect(readGiven(text, many)).toEqual(value);
  });

  it.each([
    [12, "#12"],
    [0, "#0"],
    [[12, 40], "#12 #40"],
    [" Paul", " Paul"],
    [undefined, ""],
  ])("shows %j as it is typed", (value, text) => {
    expect(showGiven(value)).toBe(text);
  });
});

describe("what is asked of a text", () => {
  const methods = { cntp, graph_kv, reagent };
  /** Of a param, in the form of the first method that has it. */
  function askedFor(name: string, model: string, values: Record<string, unknown>) {
    const all = Object.values(methods).map(({ params_schema }) => fieldsOf(params_schema));
    const fields = all.find((one) => one.some((field) => field.name === name)) ?? [];
    const field = fields.find((one) => one.name === name);
    return field ? ask(field, fields, model, values) : null;
  }

  it("follows the prompt, or separator and question", () => {
    const prompt = { prompt: "One day", contrast: " w" };
    expect(askedFor("contrast", "m", prompt)).toEqual({
      model: "m", before: "One day", given: " w", alone: true,
    }); // prettier-ignore
    const question = { separator: " ", question: "Who?", answer: " Lily" };
    expect(askedFor("answer", "m", question)).toMatchObject({
      before: " Who?",
      alone: false,
    });
  });

  it("shows the separator as the first segment's beginning", () => {
    const values = { separator: " ", segments: [{ id: "1", text: "Lily was sad." }] };
    expect(askedFor("separator", "m", values)).toMatchObject({ given: " Lily was sad." });
  });

  it("is nothing of an empty text or without a model", () => {
    expect(askedFor("contrast", "m", { prompt: "a", contrast: "" })).toBeNull();
    expect(askedFor("contrast", "", { prompt: "a", contrast: " w" })).toBeNull();
    expect(askedFor("answer", "m", { question: "a", answer: [] })).toBeNull();
  });

  it("is nothing of a text that ends the output; of tokens that do, those", () => {
    const stops = (given: unknown) =>
      askedFor("stop_strings", "m", { prompt: "a", stop_strings: given });
    expect(stops("END")).toBeNull();
    expect(stops([3, 5])?.given).toEqual([3, 5]);
  });

  it("takes ids as they are, 0 too", () => {
    expect(askedFor("contrast", "m", { prompt: "a", contrast: 0 })?.given).toEqual([0]);
  });
});
