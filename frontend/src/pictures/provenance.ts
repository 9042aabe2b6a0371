// One line under each picture: what it was made with.

import type { Brings, SelfCheck } from "../gen/common";
import type { RunFacts } from "../view/view";
import { showNumber } from "./numbers";
import { changedParams } from "./python";

/** Long texts are on the page already. */
const LONGEST = 24;

export function provenance(facts: RunFacts): string {
  return [
    modelPart(facts),
    facts.info && facts.info.weights !== "raw" ? facts.info.weights : "",
    dtypePart(facts),
    attentionPart(facts),
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

/** That the numbers may be wrong, where the model failed its self-check; else empty. */
export function checkWarning({ model, info }: RunFacts): string {
  const check = info?.self_check;
  if (!check || check.passed) return "";
  return `The self-check of ${model} failed: ${failure(check)} The numbers may be wrong.`;
}

/** Why a self-check did not pass, as a sentence. */
export function failure(check: SelfCheck): string {
  const apart = Math.max(check.max_abs_difference, check.max_abs_difference_fast);
  if (apart <= check.tolerance) return check.message || "some numbers are not finite.";
  const [found, limit] = [apart, check.tolerance].map(showNumber);
  return `largest difference ${found}, tolerance ${limit}. ${check.message ?? ""}`.trim();
}

/** The dtype of the model, or what was asked for where none was loaded. */
function dtypePart({ dtype, info }: RunFacts): string {
  return dtype === "auto" ? (info?.dtype ?? "") : `${info?.dtype ?? dtype} (chosen)`;
}

/** How forward passes compute attention, and why not by SDPA; empty in older runs. */
function attentionPart({ info }: RunFacts): string {
  if (!info?.attention) return "";
  const name = info.attention === "sdpa" ? "SDPA" : info.attention;
  const why = info.attention_reason ? ` (${info.attention_reason})` : "";
  return `${name} attention${why}`;
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
function broughtParts({ info }: RunFacts): string[] {
  const brings = info?.brings;
  if (!brings) return [];
  const { template_date: day, pad_word: pad } = brings;
  return [
    day ? `chat template of ${day}` : "",
    askedPart(brings),
    pad ? `padding token is the word ${pad}` : "",
  ];
}

/** Where it was not known what the run did of it, as by decoders each for itself, what is asked. */
function askedPart({ generation = {}, applied, not_applied: left }: Partial<Brings>): string {
  const known = applied
    ? [listOf("applied", applied), listOf("not applied", left ?? {})]
    : [listOf("asks", generation)];
  const said = known.filter(Boolean).join("; ");
  return said ? `generation_config ${said}` : "";
}

function listOf(what: string, asked: Record<string, unknown>): string {
  const values = Object.entries(asked).map(([name, value]) => `${name} ${shown(value)}`);
  return values.length ? `${what}: ${values.join(", ")}` : "";
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
