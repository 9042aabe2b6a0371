// The form when the method changes: the model, the texts and the settings that stay.

import { beforeEach, describe, expect, it, vi } from "vitest";
import { readdirSync, readFileSync } from "node:fs";
import type { Method, Model } from "../../src/net/api";
import { catalog } from "../../src/net/catalog.svelte";
import { router } from "../../src/base/router.svelte";
import { draft } from "../../src/form/draft.svelte";
import { mainText } from "../../src/form/carry";

const FOLDER = "../workbench/gen/methods";
const METHODS = readdirSync(FOLDER).map(
  (file) => JSON.parse(readFileSync(`${FOLDER}/${file}`, "utf8")) as Method,
);
const NEEDS = [...new Set(METHODS.flatMap(({ needs }) => needs))];

const modelOf = (id: string, ...capabilities: string[]): Model =>
  ({
    id,
    title: id,
    source: "folder",
    capabilities,
    missing: Object.fromEntries(
      NEEDS.filter((need) => !capabilities.includes(need)).map((need) => [need, `no ${need}`]),
    ),
    problem: null,
    failed_checks: {},
  }) as unknown as Model;

const MODELS = [
  modelOf("demo-lm", "causal_lm"),
  modelOf("demo-diffusion", "masked_lm", "masked_diffusion_lm"),
  modelOf("demo-vlm", "vision_language"),
  modelOf("demo-t2i", "text_to_image"),
  modelOf("other-lm", "causal_lm"),
  modelOf("encoder", "masked_lm"),
];
const HUB = "nobody/not-a-model@main";
const OWN = "Maria has the key.";
const stems = METHODS.map(({ stem }) => stem);
const pairs = stems.flatMap((from) => stems.map((to) => [from, to] as const));

beforeEach(() => {
  catalog.methods = METHODS;
  catalog.models = MODELS;
  catalog.loaded = true;
  vi.stubGlobal("fetch", vi.fn());
  history.replaceState(null, "", "/");
  draft.read();
});

describe("the dtype", () => {
  it("goes with the run and into the address, and comes from a run", async () => {
    const answer = { status: 500, headers: { "content-type": "application/json" } };
    const asked = vi.fn((_: Request) => Promise.resolve(new Response("{}", answer)));
    vi.stubGlobal("fetch", asked);
    draft.dtype = "bfloat16";
    draft.write();
    expect(new URLSearchParams(location.search).get("dtype")).toBe("bfloat16");
    await draft.start(draft.stem, draft.model, draft.params, draft.dtype);
    const body = (await (asked.mock.calls[0]?.[0] as Request).json()) as { dtype: string };
    expect(body.dtype).toBe("bfloat16");
    draft.read();
    expect(draft.dtype).toBe("bfloat16");
    draft.fill(draft.stem, draft.model, {});
    expect(draft.dtype).toBe("auto");
    draft.fill(draft.stem, draft.model, {}, "float16");
    expect(draft.dtype).toBe("float16");
    router.set({ method: null, model: null, dtype: null, params: null });
  });

  it("decides whether the last self-check failed", () => {
    catalog.noteCheck(draft.model, "float16", "largest difference 1, tolerance 0.1.");
    expect(draft.failedCheck).toBe("");
    draft.dtype = "float16";
    expect(draft.failedCheck).toContain("tolerance 0.1");
    catalog.noteCheck(draft.model, "float16", "");
    expect(draft.failedCheck).toBe("");
  });
});

describe("the model that somebody chose", () => {
  it.each(pairs)("stays when it is a hub id: %s, then %s", (from, to) => {
    draft.choose(from);
    draft.pick(HUB);
    draft.choose(to);
    expect([draft.model, draft.unable, draft.offered]).toEqual([HUB, null, null]);
  });

  it.each(pairs)(
    "stays when it cannot serve, and no run is made: %s, then %s",
    async (from, to) => {
      draft.choose(from);
      draft.pick("encoder");
      draft.choose(to);
      expect(draft.model).toBe("encoder");
      expect(draft.unable?.message).toContain("encoder cannot be used here: no ");
      for (const { name, control } of draft.fields) {
        if (control === "lines") draft.values[name] = OWN;
        if (control === "segments") draft.values[name] = [{ id: "1", text: OWN }];
      }
      expect(draft.errors).toEqual({});
      await draft.run();
      expect(draft.problem).toEqual(draft.unable);
      expect(fetch).not.toHaveBeenCalled();
      draft.takeOffered();
      expect([draft.unable, draft.problem]).toEqual([null, null]);
      expect(draft.method?.needs).toContain(catalog.model(draft.model)?.capabilities.at(-1));
      expect(draft.values[mainText(draft.fields)?.name ?? ""]).toBe(OWN);
    },
  );

  it("stays when it can serve, or comes with a run", () => {
    draft.pick("other-lm");
    draft.choose("reagent");
    expect([draft.model, draft.unable]).toEqual(["other-lm", null]);
    draft.fill("cntp", "demo-lm", { prompt: OWN });
    draft.choose("local_leap");
    expect(draft.model).toBe("demo-lm");
    expect(draft.offered).toBe("demo-diffusion");
  });

  it("gives way where nobody chose it, and that is said", () => {
    draft.choose("local_leap");
    expect([draft.model, draft.swapped]).toEqual(["demo-diffusion", "demo-lm"]);
    draft.pick("demo-diffusion");
    expect(draft.swapped).toBe("");
  });

  it("is put to use with a method that can take it", () => {
    draft.use("demo-vlm");
    expect([draft.model, draft.stem, draft.unable]).toEqual(["demo-vlm", "seg_similarity", null]);
    draft.use(HUB);
    expect([draft.model, draft.stem]).toEqual([HUB, "seg_similarity"]);
  });
});

describe("what was typed", () => {
  it.each(pairs)("is there in the other method and back: %s, %s", (from, to) => {
    draft.choose(from);
    const main = mainText(draft.fields)?.name ?? "";
    draft.values[main] = OWN;
    for (const [name, value] of [
      ["seed", 7],
      ["max_new_tokens", 5],
    ] as const)
      if (name in draft.values) draft.values[name] = value;
    const before = $state.snapshot(draft.values);
    draft.choose(to);
    expect(draft.values[mainText(draft.all)?.name ?? ""]).toBe(OWN);
    if ("seed" in before) expect(draft.values.seed).toBe(7);
    if ("max_new_tokens" in before && "max_new_tokens" in draft.values)
      expect(draft.values.max_new_tokens).toBe(5);
    draft.choose(from);
    expect($state.snapshot(draft.values)).toEqual(before);
  });

  it("passes through a method that does not have it", () => {
    draft.choose("reagent");
    draft.values.prompt = OWN;
    draft.values.continuation = " Maria";
    draft.choose("cntp");
    expect(draft.values).not.toHaveProperty("continuation");
    draft.choose("information_flow");
    expect([draft.values.prompt, draft.values.continuation]).toEqual([OWN, " Maria"]);
  });

  it("keeps each method's own settings, and follows what was set back", () => {
    draft.choose("reagent");
    draft.values.probes = 64;
    draft.values.seed = 3;
    draft.choose("cntp");
    draft.values.seed = 0;
    draft.choose("reagent");
    expect([draft.values.probes, draft.values.seed]).toEqual([64, 0]);
  });

  it("does not turn lengths that nobody set into another method's", () => {
    draft.choose("cntp");
    draft.choose("reagent");
    const standard = draft.all.find(({ name }) => name === "max_new_tokens")?.default;
    expect(draft.values.max_new_tokens).toBe(standard);
  });

  it("is forgotten when a run or an example fills the form", () => {
    draft.choose("reagent");
    draft.values.continuation = " Maria";
    draft.fill("cntp", "demo-lm", { prompt: "Another." });
    draft.choose("information_flow");
    expect([draft.values.prompt, draft.values.continuation]).toEqual(["Another.", ""]);
  });
});
