// Each folder of the page imports only those below it, so that a file can be read without those above.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";

const ORDER = [
  ["app", "report"],
  ["pages"],
  ["session"],
  ["run"],
  ["views"],
  ["form"],
  ["parts"],
  ["pictures"],
  ["view"],
  ["net"],
  ["base"],
  ["gen", "styles"],
];
/** Of several methods; all other views are of one. */
const SHARED = "decoding";

const IMPORT = /(?:\bfrom|\bimport|\bimport\()\s*["'](\.{1,2}\/[^"']+)["']/g;
const FILES = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) =>
  /\.(ts|svelte)$/.test(file),
);

interface Arrow {
  from: string;
  to: string;
}

function arrows(file: string, text: string): Arrow[] {
  const found = [...text.matchAll(IMPORT)].map(([, spec = ""]) => spec);
  return found.map((spec) => ({ from: file, to: normalize(join(dirname(file), spec)) }));
}

const room = (path: string) => path.split("/")[0] ?? "";
const floor = (path: string) => ORDER.findIndex((row) => row.includes(room(path)));
const isUp = ({ from, to }: Arrow) => room(from) !== room(to) && floor(to) <= floor(from);
const said = ({ from, to }: Arrow) => `${from} -> ${to}`;
const ALL = FILES.flatMap((file) => arrows(file, readFileSync(join("src", file), "utf8")));

describe("rooms", () => {
  it("are all in the order, and no file is outside them", () => {
    expect(readdirSync("src").sort()).toEqual(ORDER.flat().sort());
  });

  it("import downwards only", () => {
    expect(ALL.length).toBeGreaterThan(500);
    expect(ALL.filter(isUp).map(said)).toEqual([]);
  });

  it("are distinguished from those above them, however they are imported", () => {
    const up = [
      arrows("base/query.ts", 'import { api } from "../net/api";'),
      arrows("views/reagent.ts", 'void import("../session/room.svelte");'),
      arrows("net/api.ts", 'import "../pages/Home.svelte";'),
    ].flat();
    const down = arrows("net/api.ts", 'import type { Query } from "../base/query";');
    expect(up.filter(isUp)).toHaveLength(3);
    expect(down.filter(isUp)).toEqual([]);
  });
});

describe("views", () => {
  const method = (path: string) => path.split("/")[1]?.replace(/\.ts$/, "") ?? "";
  const isOwn = ({ from, to }: Arrow) => method(from) === method(to) || method(to) === SHARED;

  it("of one method know nothing of another's", () => {
    const inside = ALL.filter(({ from, to }) => room(from) === "views" && room(to) === "views");
    expect(inside.filter((one) => !isOwn(one)).map(said)).toEqual([]);
  });
});

describe("what a method knows", () => {
  const SCHEMAS = "../workbench/gen/methods";
  const stems = readdirSync(SCHEMAS).map((file) => file.replace(/\.json$/, ""));
  const generic = FILES.filter((file) => !["gen", "views"].includes(room(file)));
  const isControl = (file: string) => file.startsWith("form/segments/"); // of one widget

  function hits(files: readonly string[], pattern: RegExp): string[] {
    const lines = files.flatMap((file) =>
      readFileSync(join("src", file), "utf8")
        .split("\n")
        .map((line) => `${file}: ${line.trim()}`),
    );
    return lines.filter((line) => pattern.test(line));
  }

  it("names no other file by its stem", () => {
    expect(stems.length).toBeGreaterThan(5);
    const named = new RegExp(`\\b(${stems.join("|")})\\b`);
    expect(generic.length).toBeGreaterThan(150);
    expect(hits(generic, named)).toEqual([]);
  });

  it("names no other file by a param, except the seed that all have", () => {
    const read = new RegExp(`\\b(params|values)(\\?\\.|\\.)(?!seed\\b)(${names().join("|")})\\b`);
    const pages = generic.filter((file) => !isControl(file));
    expect(hits(pages, read)).toEqual([]);
  });

  function names(): string[] {
    const schemas = stems.map((stem) => readFileSync(`${SCHEMAS}/${stem}.json`, "utf8"));
    return schemas.flatMap((text) => {
      const { params_schema } = JSON.parse(text) as { params_schema: { properties: object } };
      return Object.keys(params_schema.properties);
    });
  }
});
