import { describe, expect, it } from "vitest";
import { serves, servingOf } from "../../src/base/capability";
import { counted } from "../../src/base/plural";
import type { Method } from "../../src/net/api";
import { catalog } from "../../src/net/catalog.svelte";
import { textOf, titleOf } from "../../src/run/text";
import reagent from "../../../workbench/gen/methods/reagent.json";
import seg from "../../../workbench/gen/methods/seg_similarity.json";
import {
  changed,
  check,
  defaultsOf,
  emptySegments,
  fieldsFor,
  fieldsOf,
  groupsOf,
  presetOf,
  rangeOf,
  withPreset,
  type Field,
} from "../../src/form/schema";

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
    steps: { type: "integer", default: 12, group: "Output", capability: "text_to_image" },
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
      steps: "integer",
    });
  });

  it("join the choices of a union and of a reference", () => {
    expect(field("replacer").choices).toEqual(["uniform", "same", "masked"]);
    expect(field("mode").choices).toEqual(["fast", "exact"]);
  });

  it("are grouped in the order of the schema", () => {
    expect(groupsOf(FIELDS).map((group) => group.name)).toEqual([
      "Text",
      "Output",
      "Probes",
      "Parameters",
    ]);
    expect(groupsOf(FIELDS)[0]?.fields.map((one) => one.name)).toEqual(["prompt", "chat"]);
  });

  it("of another kind of model are not shown, and no group moves for it", () => {
    const names = (serving?: string) => fieldsFor(FIELDS, serving).map((one) => one.name);
    expect(names("text_to_image")).toEqual(FIELDS.map((one) => one.name));
    expect(names("causal_lm")).toEqual(FIELDS.map((one) => one.name).filter((n) => n !== "steps"));
    expect(names()).toContain("steps");
    const some = FIELDS.filter((one) => ["mode", "steps", "chat"].includes(one.name));
    const groups = groupsOf([...some].reverse(), FIELDS);
    expect(groups.map((group) => group.name)).toEqual(["Text", "Output", "Probes"]);
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
    ["length", 1.5, "Enter a whole number."],
    ["length", NaN, "Enter a number, 1 to 128."],
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

describe("a method and a model", () => {
  const method = { needs: ["causal_lm", "text_to_image"] };

  it("fit where the model has one of the capabilities", () => {
    expect(servingOf(method, { capabilities: ["text_to_image"] })).toBe("text_to_image");
    expect(serves(method, { capabilities: ["masked_lm"] })).toBe(false);
    expect(serves({ needs: [] }, { capabilities: [] })).toBe(true);
  });
});

describe("the title of a run", () => {
  it("names the method and the text", () => {
    catalog.methods = [{ ...reagent, title: "ReAGent: which tokens." }, seg] as unknown as Method[];
    const titled = (method: string, params: object) => titleOf({ method, params: { ...params } });
    expect(titled("reagent", { prompt: "Who  has it?" })).toBe("ReAGent: Who has it?");
    expect(titled("reagent", { prompt: "a".repeat(99) })).toBe(`ReAGent: ${"a".repeat(60)}…`);
    expect(titled("inspect", {})).toBe("inspect");
  });

  it("names the question, or what else the run is about", () => {
    catalog.methods = [seg] as unknown as Method[];
    const about = (params: Record<string, unknown>) => textOf({ method: "seg_similarity", params });
    expect(about({ question: "Where is it?", scene: 2 })).toBe("Where is it?");
    expect(about({ question: "", scene: 2, kind: "colour", layer: 3 })).toBe(
      "scene 2 · kind colour",
    );
  });
});

describe("counts", () => {
  it("agree with their nouns", () => {
    expect([0, 1, 2].map((count) => counted(count, "trial"))).toEqual([
      "0 trials",
      "1 trial",
      "2 trials",
    ]);
    expect(counted(1, "near miss", "near misses")).toBe("1 near miss");
    expect(counted(1024, "patch", "patches")).toBe("1,024 patches");
  });

  it("name a segment that lacks its text only once it was left", () => {
    expect(emptySegments([{ text: "a" }, { text: " " }, { id: "x", text: "" }])).toEqual([
      "2",
      "x",
    ]);
    expect(emptySegments("none")).toEqual([]);
  });
});
