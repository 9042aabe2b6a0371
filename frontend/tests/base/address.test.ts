import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";

const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((file) => /\.(ts|svelte)$/.test(file) && !file.startsWith("gen"))
  .map((file) => [file, readFileSync(join("src", file), "utf8")] as const);

describe("a path before all addresses", () => {
  it("is put before every link, form and call of the sources", () => {
    const bare = /\b(?:href|action|src)="\/|\bhref: ["`]\/|fetch\(["`]\/|assign\(["`]\//;
    expect(sources.filter(([, text]) => bare.test(text)).map(([file]) => file)).toEqual([]);
  });

  it("is taken off what the address bar says", async () => {
    document.head.innerHTML = '<meta name="base-path" content="/glass">';
    vi.resetModules();
    const { address, inner } = await import("../../src/base/address");
    expect(address("/runs")).toBe("/glass/runs");
    expect(inner("/glass/runs/1")).toBe("/runs/1");
    expect(inner("/glass")).toBe("/");
    expect(inner("/glasses")).toBe("/glasses");
    document.head.innerHTML = "";
    vi.resetModules();
  });
});
