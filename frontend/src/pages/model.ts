// What a model's page says, as words and numbers.

import type { ModelFacts } from "../net/api";

type Vision = NonNullable<ModelFacts["vision"]>;
type Measured = ModelFacts["measured"][number];
export type Fact = [name: string, value: string];

const UNKNOWN = "not known yet";
const WORDS: Record<string, string> = {
  causal_lm: "continue a text (causal_lm)",
  masked_lm: "fill in masked tokens (masked_lm)",
  masked_diffusion_lm: "decode by masked diffusion (masked_diffusion_lm)",
  vision_language: "answer about a picture (vision_language)",
  text_to_image: "draw a picture from a text (text_to_image)",
};

export const capabilityWords = (name: string) => WORDS[name] ?? name;

const ABILITIES: Record<string, string> = {
  masks: "Attention between chosen tokens can be cut",
  weights: "Attention weights can be read in each layer and head",
  positions: "Texts behind one another can have the same positions",
  gradients: "Gradients reach the input embeddings",
  hooks: "TransformerLens hooks act (no bundled method requires them)",
};

/** What the self-check tried, in words. */
export const abilityWords = (name: string) => ABILITIES[name] ?? name;

export const count = (value: number | null) => value?.toLocaleString("en") ?? UNKNOWN;

/** Bytes in the unit that leaves one to four digits. */
export function byteWords(bytes: number | null): string {
  if (bytes === null) return UNKNOWN;
  const power = Math.min(3, Math.max(1, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  const size = bytes / 1024 ** power;
  return `${size.toFixed(size < 10 ? 1 : 0)} ${["", "KiB", "MiB", "GiB"][power] ?? ""}`;
}

export function modelFacts(model: ModelFacts): Fact[] {
  return [
    ["Architecture", model.architecture ?? UNKNOWN],
    ["Parameters", count(model.parameters)],
    ["Weights", byteWords(model.bytes)],
    ["Layers", count(model.layers)],
    ["Heads", count(model.heads)],
    ["KV heads", count(model.key_value_heads)],
    ["Hidden size", count(model.width)],
    ["Context", contextWords(model.context)],
    ["Vocabulary", count(model.vocabulary)],
    ["Dtype", model.dtype ?? UNKNOWN],
    ["Revision", model.revision ?? "not downloaded"],
    ["Source", model.source],
  ];
}

function contextWords(context: number | null): string {
  if (context === 0) return "unlimited";
  return context === null ? UNKNOWN : `${count(context)} tokens`;
}

export function visionFacts(vision: Vision): Fact[] {
  const pixels = (edge: number | null) =>
    edge === null ? "size of the picture" : `${edge} × ${edge} pixels`;
  return [
    ["Vision encoder", vision.architecture],
    ["Picture", pixels(vision.image_size)],
    ["Patch", pixels(vision.patch_size)],
    ["Image tokens", imageTokens(vision)],
    ["Mask decoder", vision.mask_decoder ? "yes" : "no"],
  ];
}

function imageTokens(vision: Vision): string {
  if (vision.image_tokens !== null)
    return `${vision.image_tokens} per ${vision.tiled ? "tile" : "picture"}`;
  return vision.token_pixels === null
    ? "depends on the picture"
    : `one per ${vision.token_pixels} × ${vision.token_pixels} pixels`;
}

export function gateWords({ share, required, limit }: Measured): string {
  const sides = [
    ...(required === null ? [] : [`≥ ${percent(required)}`]),
    ...(limit === null ? [] : [`< ${percent(limit)}`]),
  ];
  if (sides.length === 0) return "";
  const reached = share >= (required ?? -Infinity) && share < (limit ?? Infinity);
  return `${sides.join(", ")}: ${reached ? "reached" : "not reached"}`;
}

export const percent = (share: number) =>
  `${(100 * share).toLocaleString("en", { maximumFractionDigits: 1 })} %`;
