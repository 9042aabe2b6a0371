import { describe, expect, it } from "vitest";
import {
  changed,
  check,
  defaultsOf,
  fieldsOf,
  groupsOf,
  presetOf,
  rangeOf,
  withPreset,
  type Field,
} from "../src/form/schema";

const SCHEMA = {
  $defs: { Mode: { enum: ["fast", "exact"], type: "string" } },
  properties: {
    prompt: { type: "string", minLength: 1, maxLength: 5, widget: "text", group: "Text" },
    length: { type: "integer", minimum: 1, maximum: 128, default: 8, group: "Output" },
    rate: {
      type: "number",
      exclusiveMinimum: 0,
      exclusiveMaximum: 1,
      default: 0.3,
      group: "Probes",
    },
    mode: { $ref: "#/$defs/Mode", default: "fast", group: "Probes" },
    replacer: {
      anyOf: [{ enum: ["uniform", "same"] }, { const: "masked" }, { type: "null" }],
      default: "uniform",
      group: "Probes",
    },
    limit: {
      anyOf: [{ type: "integer", minimum: 2 }, { type: "null" }],
      default: 4,
      group: "Probes",
    },
    chat: { type: "boolean", default: false, description: "Wrap it.", group: "Text" },
    other: { type: "string", default: "", widget: "model" },
  },
  required: ["prompt"],
};
const FIELDS = fieldsOf(SCHEMA);
const field = (name: string) => FIELDS.find((one) => one.name === name) as Field;

describe("fields", () => {
  it("take their control from the type and the widget", () => {
    const controls = Object.fromEntries(FIELDS.map((one) => [one.name, one.control]));
    expect(controls).toEqual({
      prompt: "lines",
      length: "integer",
      rate: "number",
      mode: "choice",
      replacer: "choice",
      limit: "integer",
      chat: "switch",
      other: "model",
    });
  });

  it("join the choices of a union and of a reference", () => {
    expect(field("replacer").choices).toEqual(["uniform", "same", "masked"]);
    expect(field("mode").choices).toEqual(["fast", "exact"]);
  });

  it("stand in groups, in the order of the schema", () => {
    expect(groupsOf(FIELDS).map((group) => group.name)).toEqual([
      "Text",
      "Output",
      "Probes",
      "Parameters",
    ]);
    expect(groupsOf(FIELDS)[0]?.fields.map((one) => one.name)).toEqual(["prompt", "chat"]);
  });

  it("say their range", () => {
    expect(rangeOf(field("length"))).toBe("1 to 128");
    expect(rangeOf(field("rate"))).toBe("above 0 to below 1");
    expect(rangeOf(field("prompt"))).toBe("");
  });
});

describe("checks name the limit", () => {
  it.each([
    ["length", 0, "At least 1."],
    ["length", 129, "At most 128."],
    ["length", 1.5, "A whole number."],
    ["length", NaN, "A number, 1 to 128."],
    ["length", 128, null],
    ["rate", 0, "Above 0."],
    ["rate", 1, "Below 1."],
    ["rate", 0.999, null],
    ["limit", 1, "At least 2."],
    ["mode", "slow", "Choose one of fast, exact."],
    ["prompt", "", "This cannot be empty."],
    ["prompt", "abcdef", "6 characters; at most 5."],
    ["prompt", "👩👩👩👩👩", null],
  ])("%s = %j", (name, value, message) => {
    expect(check(field(name), value)).toBe(message);
  });
});

describe("values", () => {
  it("are sent only where they differ from the default", () => {
    const values = { ...defaultsOf(FIELDS), prompt: "hi", rate: 0.1 };
    expect(changed(FIELDS, values)).toEqual({ prompt: "hi", rate: 0.1 });
  });

  it("follow a preset, and return from it", () => {
    const presets = { paper: { rate: 0.1, mode: "exact" }, quick: { length: 1 } };
    const start = { ...defaultsOf(FIELDS), prompt: "hi" };
    const paper = withPreset(FIELDS, start, presets, "paper");
    expect(paper).toEqual({ ...start, rate: 0.1, mode: "exact" });
    expect(presetOf(paper, presets)).toBe("paper");
    const quick = withPreset(FIELDS, paper, presets, "quick");
    expect(quick).toEqual({ ...start, length: 1 });
    expect(presetOf(start, presets)).toBeNull();
  });
});
