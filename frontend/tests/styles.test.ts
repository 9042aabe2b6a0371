import { readdirSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { expect, it } from "vitest";

const SOURCES = resolve(import.meta.dirname, "../src");

/** Frames that other sheets lay out again: on paper, in a narrow window, in a report. */
const LAYOUTS = new Set(["narrow.css", "paper.css", "report.css"]);
/** Of one meaning in each sheet, whichever is loaded: the sheet named first owns it. */
const SHARED: Record<string, string> = {
  detail: "detail.css, figure.css (contain), decoding.css (its button)",
  dialog: "frame.css, sharing.css, segments.css",
  figure: "figure.css, detail.css",
  "figure-tools": "figure.css, detail.css",
  "menu-item": "form.css, pages.css",
  "session-head": "session.css, people.css",
  token: "strip.css, information_flow.css, people.css",
};

/** The layers in which a sheet of a folder puts its rules; `state` is for what a control shows. */
const LAYERS: [RegExp, RegExp][] = [
  [/^styles\//, /^(base|frame|page|picture|state|screen|paper)$/],
  [/^views\//, /^view$/],
  [/^form\//, /^(page|state)$/],
];

interface Block {
  head: string;
  body: string;
}

/** The blocks of a sheet's top level. */
function blocksOf(css: string): Block[] {
  const found: Block[] = [];
  let [depth, start, head] = [0, 0, ""];
  for (const [at, sign] of [...css].entries()) {
    if (sign === "{" && depth++ === 0) [head, start] = [css.slice(start, at).trim(), at + 1];
    if (sign === ";" && depth === 0) start = at + 1;
    if (sign !== "}" || --depth > 0) continue;
    found.push({ head, body: css.slice(start, at) });
    start = at + 1;
  }
  return found;
}

const plain = (css: string) => css.replace(/\/\*.*?\*\//gs, "");
const insideLayers = (css: string) =>
  blocksOf(css)
    .map(({ body }) => body)
    .join("\n");

/** Classes that stand first in a selector: they reach every element of that class. */
function leadingClasses(sheet: string): Set<string> {
  const css = plain(sheet).replace(/@import[^;]*;/g, "");
  const selectors = [...insideLayers(css).matchAll(/([^{};]+)\{/g)].map(([, selector = ""]) =>
    selector.trim(),
  );
  const parts = selectors.flatMap((selector) => selector.split(/,(?![^(]*\))/));
  return new Set(parts.flatMap((part) => /^\s*\.([\w-]+)/.exec(part)?.[1] ?? []));
}

it("lets no two sheets style the same class, but those that are shared by intent", () => {
  const owners = new Map<string, string[]>();
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" });
  for (const file of files.filter((one) => one.endsWith(".css"))) {
    const name = basename(file);
    if (LAYOUTS.has(name)) continue;
    for (const found of leadingClasses(readFileSync(`${SOURCES}/${file}`, "utf8"))) {
      owners.set(found, [...(owners.get(found) ?? []), name]);
    }
  }
  const repeated = [...owners].filter(([, sheets]) => sheets.length > 1);
  expect(repeated.filter(([name]) => !(name in SHARED))).toEqual([]);
  expect(Object.keys(SHARED).filter((name) => (owners.get(name)?.length ?? 0) < 2)).toEqual([]);
});

it("puts all rules in layers, so that it does not matter which sheet is loaded first", () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" });
  const sheets = files.filter((one) => one.endsWith(".css"));
  expect(sheets.length).toBeGreaterThan(20);
  const outside = sheets.flatMap((file) => {
    const allowed = LAYERS.find(([folder]) => folder.test(file))?.[1];
    const heads = blocksOf(plain(readFileSync(`${SOURCES}/${file}`, "utf8"))).map(
      ({ head }) => head,
    );
    const isLayer = (head: string) => allowed?.test(head.replace(/^@layer /, ""));
    return heads
      .filter((head) => !isLayer(head) && head !== "@page")
      .map((head) => `${file}: ${head}`);
  });
  expect(outside).toEqual([]);
});
