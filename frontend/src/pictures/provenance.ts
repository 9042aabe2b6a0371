// One line under each picture: what it was made with.

import type { RunFacts } from "../view";
import { showNumber } from "./numbers";
import { changedParams } from "./python";

/** Long texts are on the page already. */
const LONGEST = 24;

export function provenance(facts: RunFacts): string {
  return [
    modelPart(facts),
    facts.info?.dtype,
    `${facts.method} v${facts.version}`,
    ...paramParts(facts),
    ...broughtParts(facts),
    `seed ${String(facts.params.seed ?? facts.defaults.seed ?? "–")}`,
    facts.finishedAt?.slice(0, 16).replace("T", " "),
    checkPart(facts),
  ]
    .filter(Boolean)
    .join(" · ");
}

function modelPart({ model, revision }: RunFacts): string {
  return revision ? `${model}@${revision.slice(0, 8)}` : model;
}

function paramParts(facts: RunFacts): string[] {
  return Object.entries(changedParams(facts))
    .filter(([name]) => name !== "seed")
    .filter(([, value]) => typeof value !== "string" || value.length <= LONGEST)
    .map(([name, value]) => `${name} ${shown(value)}`);
}

const shown = (value: unknown) =>
  Array.isArray(value) ? `(${value.length})` : isObject(value) ? counted(value) : String(value);
const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const counted = (value: object) => `{${Object.keys(value).length}}`;

/** What the checkpoint brings that changes a run, or that `generate` would obey. */
function broughtParts({ info, params }: RunFacts): string[] {
  const { template_date: day, generation = {}, pad_word: pad } = info?.brings ?? {};
  const asked = Object.entries(generation).map(([name, value]) => `${name} ${shown(value)}`);
  const done = params.generation_config === "apply" ? "applied" : "not applied";
  return [
    day ? `chat template of ${day}` : "",
    asked.length ? `generation_config asks ${asked.join(", ")}: ${done}` : "",
    pad ? `padding token is the word ${pad}` : "",
  ];
}

function checkPart({ info }: RunFacts): string {
  const check = info?.self_check;
  if (!check) return "self-check: not run";
  const verdict = check.passed ? "passed" : "FAILED";
  const parts = [`self-check ${verdict} (max |Δ logit| ${showNumber(check.max_abs_difference)})`];
  if (typeof check.rounding_nats === "number")
    parts.push(`differences up to ${showNumber(check.rounding_nats)} nats are rounding`);
  return parts.join(" · ");
}
