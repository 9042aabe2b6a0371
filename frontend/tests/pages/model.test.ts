import { describe, expect, it } from "vitest";
import { gateWords, byteWords, modelFacts, visionFacts } from "../../src/pages/model";
import type { ModelFacts } from "../../src/net/api";

const vision: NonNullable<ModelFacts["vision"]> = {
  architecture: "clip_vision_model",
  image_size: 336,
  patch_size: 14,
  image_tokens: 576,
  token_pixels: null,
  tiled: false,
  mask_decoder: true,
};

const facts = (context: number | null) =>
  Object.fromEntries(
    modelFacts({ context, parameters: null, bytes: 3 * 2 ** 30 } as ModelFacts),
  ) as Record<string, string>;

describe("what a model's page says", () => {
  it("tells a limit from none and from what is not known", () => {
    expect(facts(2048).Context).toBe("2,048 tokens");
    expect(facts(0).Context).toBe("unlimited");
    expect(facts(null).Context).toBe("not known yet");
    expect(facts(0).Parameters).toBe("not known yet");
    expect(facts(0).Weights).toBe("3.0 GiB");
  });

  it("names image tokens per picture, per tile, or per square of pixels", () => {
    const tokens = (changes: Partial<typeof vision>) =>
      Object.fromEntries(visionFacts({ ...vision, ...changes }))["Image tokens"];
    expect(tokens({})).toBe("576 per picture");
    expect(tokens({ tiled: true })).toBe("576 per tile");
    expect(tokens({ image_tokens: null, token_pixels: 28 })).toBe("one per 28 × 28 pixels");
    expect(Object.fromEntries(visionFacts(vision))["Mask decoder"]).toBe("yes");
  });

  it("says whether a share lies within both sides of its gate", () => {
    const row = { name: "x", share: 0.992, items: 500, required: 0.8, limit: 0.99 };
    expect(gateWords(row)).toBe("≥ 80 %, < 99 %: not reached");
    expect(gateWords({ ...row, share: 0.9 })).toBe("≥ 80 %, < 99 %: reached");
    expect(gateWords({ ...row, required: null, limit: null })).toBe("");
  });

  it("counts bytes in units that fit", () => {
    expect(byteWords(2.5 * 2 ** 20)).toBe("2.5 MiB");
    expect(byteWords(512 * 2 ** 20)).toBe("512 MiB");
    expect(byteWords(26182)).toBe("26 KiB");
    expect(byteWords(0)).toBe("0.0 KiB");
    expect(byteWords(5000 * 2 ** 30)).toBe("5000 GiB");
  });
});
