// Events of runs as long as asked for, for each view that shows a text: made up, alike every time.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const WORDS =
  "the key is in garden Felix Maria has under old tree near river and box of books".split(" ");
const OUTPUT = 8;
const EVENT_TOKENS = 250;
const SENTENCE = 24;
const LAYERS = 4;
const HEADS = 2;

/** Numbers from 0 to 1, the same for the same seed. */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const next = random(7);
/** Mostly near 0, now and then large. */
const peaked = () => (next() < 0.01 ? 1 : 0.05) * (next() - 0.3);

const TYPES = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

function array(dtype, shape, numbers) {
  const bytes = new Uint8Array(TYPES[dtype].from(numbers).buffer);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { dtype, shape, sha256, data: Buffer.from(bytes).toString("base64") };
}

const filled = (length, value) => Array.from({ length }, (_, i) => value(i));
const floats = (shape, value = peaked) =>
  array(
    "float32",
    shape,
    filled(
      shape.reduce((a, b) => a * b, 1),
      value,
    ),
  );

function textOf(place) {
  if (place === 0) return "<s>";
  const end = place % SENTENCE === SENTENCE - 1;
  if (end) return place % (5 * SENTENCE) === 5 * SENTENCE - 1 ? ".\n" : ".";
  return ` ${WORDS[Math.floor(next() * WORDS.length)]}`;
}

function tokensOf(length) {
  return filled(length, (place) => {
    const text = textOf(place);
    const sentence = Math.floor(place / SENTENCE);
    return { id: place % 500, text, piece: text, word: place, sentence, protected: place === 0 };
  });
}

function tokenEvents(tokens) {
  const prompt = tokens.length - OUTPUT;
  return filled(Math.ceil(tokens.length / EVENT_TOKENS), (part) => {
    const start = part * EVENT_TOKENS;
    const own = tokens.slice(start, start + EVENT_TOKENS);
    return { kind: "tokens", start, total: tokens.length, prompt_length: prompt, tokens: own };
  });
}

function outputEvent(tokens) {
  const first = tokens.length - OUTPUT;
  const steps = filled(OUTPUT, (i) => {
    const { id, text } = tokens[first + i];
    const alternatives = [{ id, text, logprob: -0.2 }];
    return { position: first + i, logprob: -0.2, rank: 1, entropy: 0.6, alternatives };
  });
  return {
    kind: "output",
    generated: true,
    steps,
    target_start: 0,
    target_length: 1,
    contrast: null,
  };
}

function reagent(length) {
  const tokens = tokensOf(length);
  const first = length - OUTPUT;
  const rows = OUTPUT + 1;
  const sentences = Math.ceil(length / SENTENCE);
  const error = (columns) => floats([rows, columns], () => 0.001);
  const scores = {
    kind: "scores", estimator: "centred", measure: "probability", unit: "probability", probes: 96,
    budget: 96, final: true, base: filled(rows, () => 0.5),
    valid: [first, ...filled(OUTPUT, (i) => first + i)], mean: floats([rows, length]),
    standard_error: error(length), word_standard_error: error(length),
    sentence_standard_error: error(sentences), stable_since: filled(rows, () => 64),
    separated: filled(rows, () => true),
  }; // prettier-ignore
  const baselines = ["Input × gradient", "Integrated gradients", "Occlusion", "Attention rollout"];
  return [
    ...tokenEvents(tokens),
    outputEvent(tokens),
    scores,
    ...baselines.map((label) => ({
      kind: "baseline", name: label.toLowerCase().replaceAll(/\W+/g, "_"), label, unit: "nats",
      source: "made up", scores: floats([length]), spearman: 0.4, top_overlap: 0.6,
    })), // prettier-ignore
    ...recorded("centred", ["curve", "soft", "cost"]),
  ];
}

function flow(length) {
  const tokens = tokensOf(length);
  const positions = length - OUTPUT;
  const size = Math.min(512, Math.ceil(positions / SENTENCE));
  const bounds = (group) => Math.round((group * positions) / size);
  const groups = filled(size, (group) => {
    const [start, end] = [bounds(group), bounds(group + 1)];
    return {
      start,
      end,
      text: tokens
        .slice(start, end)
        .map(({ text }) => text)
        .join(""),
    };
  });
  const numbers = (row) => filled(row, peaked);
  const edges = 20_000;
  const ends = filled(edges, () => [Math.floor(next() * positions), Math.floor(next() * LAYERS)]);
  const ints = (value) => array("int32", [edges], ends.map(value));
  const states = () => floats([LAYERS, positions], () => next());
  return [
    ...tokenEvents(tokens),
    outputEvent(tokens),
    {
      kind: "groups", grouping: "sentence", ablation: "knockout", groups, positions,
      target_queries: [positions - 1], target_text: tokens[positions].text, logprob: -0.2,
      layers: filled(LAYERS, (i) => i), heads: filled(HEADS, (i) => i),
    },
    {
      kind: "routes", tau: 0.04, floor: 0.01, layer: ints(([, layer]) => layer),
      query: ints(([at], i) => (i % 4 ? at : positions - 1)), key: ints(([at]) => Math.floor(at * next())),
      importance: floats([edges], () => next() ** 4), head: ints(() => 0),
      kept: array("uint8", [edges], ends.map(() => 1)), attention_residual: states(), mlp: states(),
      mlp_residual: states(), reached: array("uint8", [LAYERS + 1, positions], filled((LAYERS + 1) * positions, () => 1)),
    },
    ...filled(size - 1, (row) => ({
      kind: "flow_row", row: row + 1, delta_logprob: numbers(row + 1), state_change: numbers(row + 1).map(Math.abs),
    })),
    ...["target", "states"].map((about) => ({
      kind: "agreement", about, spearman: 0.6, pairs: size - 1, routes: numbers(size - 1), cuts: numbers(size - 1),
    })),
    ...recorded("information_flow_text", ["flow", "corrupted", "knockout", "cost"]),
    {
      kind: "trace", restored: "residual", done: size, final: true, effect: floats([LAYERS, size]),
      deviation: floats([LAYERS, size], () => 0.01),
    },
  ]; // prettier-ignore
}

const SEGMENT = 60;

function graph(length) {
  const count = Math.min(128, Math.floor((length - 40) / SEGMENT));
  const each = Math.floor((length - 40) / count);
  const sizes = [1, ...filled(count, () => each), 20, 3];
  const roles = ["prefix", ...filled(count, () => "segment"), "question", "answer"];
  const edges = filled(count - 1, (i) => ({ source: i, target: i + 1 }));
  let start = 0;
  const blocks = roles.map((role, at) => {
    const segment = role === "segment" ? at - 1 : null;
    const last = at > count;
    const reads = last ? filled(at, (i) => i) : at > 1 ? [at - 1] : [];
    const block = {
      role,
      segment,
      round: segment === null ? null : 0,
      start,
      tokens: sizes[at],
      position: start,
      reads,
    };
    start += sizes[at];
    return block;
  });
  const segments = filled(count, (i) => ({ id: `passage ${i + 1}`, score: next(), tokens: each }));
  const parts = roles.map((role, at) => {
    const tokens = filled(sizes[at], (place) => ({ id: place, text: textOf(place + 1) }));
    return {
      kind: "segment_tokens",
      part: role,
      segment: role === "segment" ? at - 1 : null,
      start: 0,
      tokens,
    };
  });
  const pairs = blocks.flatMap(({ reads }, reader) =>
    [...reads, reader].map((source) => [reader, source]),
  );
  return [
    { kind: "segments", segments, edges, prefix: 1, question: 20, longest: each },
    ...parts,
    layoutOf("graph", edges, blocks, start),
    { kind: "answer", text: parts.at(-1).tokens.map(({ text }) => text).join(""), tokens: 3, written_by: null },
    ...recorded("graph_kv", ["arrangement"]).filter(({ mode }) => mode === "graph"),
    {
      kind: "edge_mass", mode: "graph", readers: pairs.map(([reader]) => reader),
      sources: pairs.map(([, source]) => source), mass: floats([pairs.length, LAYERS, HEADS], () => next()),
    },
    { kind: "token_mass", mode: "graph", mass: floats([1, blocks.length, start], () => Math.abs(peaked())) },
    ...recorded("graph_kv", ["cost"]),
  ]; // prettier-ignore
}

/** The mask by runs: each token reads its block up to itself, and the blocks that its block reads. */
function layoutOf(mode, edges, blocks, tokens) {
  const [rowStart, runStart, runStop] = [[0], [], []];
  for (const { start, tokens: own, reads } of blocks) {
    for (let place = start; place < start + own; place++) {
      for (const read of reads) {
        const end = blocks[read].start + blocks[read].tokens;
        if (runStop.at(-1) === blocks[read].start && runStart.length > rowStart.at(-1))
          runStop[runStop.length - 1] = end;
        else [runStart, runStop].forEach((list, i) => list.push(i ? end : blocks[read].start));
      }
      runStart.push(start);
      runStop.push(place + 1);
      rowStart.push(runStart.length);
    }
  }
  const ints = (list) => array("int32", [list.length], list);
  return {
    kind: "layout", mode, edges, blocks, tokens, span: tokens, area: tokens * 10, relative_area: 0.1,
    row_start: ints(rowStart), run_start: ints(runStart), run_stop: ints(runStop),
  }; // prettier-ignore
}

/** A recorded run after a prompt of that length. */
function decoded(fixture) {
  return (length) => {
    const tokens = tokensOf(length);
    const prompt = filled(Math.ceil(length / EVENT_TOKENS), (part) => {
      const own = tokens.slice(part * EVENT_TOKENS, (part + 1) * EVENT_TOKENS);
      const [ids, texts] = [own.map(({ id }) => id), own.map(({ text }) => text)];
      return { kind: "prompt_tokens", start: part * EVENT_TOKENS, total: length, ids, texts };
    });
    return [...prompt, ...read(fixture).filter(({ kind }) => kind !== "prompt_tokens")];
  };
}

const read = (name) =>
  JSON.parse(readFileSync(join(import.meta.dirname, `./fixtures/${name}.json`), "utf8"));
const recorded = (name, kinds) => read(name).filter(({ kind }) => kinds.includes(kind));

export const METHODS = {
  reagent,
  information_flow: flow,
  graph_kv: graph,
  cntp: decoded("cntp"),
  local_leap: decoded("local_leap"),
};

/** Events of a run of the method on a text of so many tokens. */
export const longRun = (method, length) => METHODS[method](length);

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [, , method, length] = process.argv;
  process.stdout.write(JSON.stringify(longRun(method, Number(length))));
}
