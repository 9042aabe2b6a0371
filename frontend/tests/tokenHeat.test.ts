import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { sourceOf } from "../src/pictures/figure";
import { create } from "./example/entropy";
import type { TokenEntropy } from "./example/entropyTypes";
import { stageOf } from "./stage";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const entropy = (text: string, nats: number): TokenEntropy => ({
  kind: "token_entropy",
  text,
  nats,
});
const EVENTS = [entropy("Anna", 2), entropy(" has", 0.5), entropy(" <b>", 1)];

afterEach(() => document.body.replaceChildren());

describe("the worked example of a method", () => {
  it("is what the document shows", () => {
    const shown = read("../../docs/adding-a-method.md").split("```ts\n")[1]?.split("```")[0];
    const written = read("./example/entropy.ts");
    const placed = written
      .replaceAll("../../src/", "../")
      .replace("./entropyTypes", "../gen/entropy");
    expect(shown).toBe(placed);
  });

  it("fills each token by its number, the largest most", () => {
    const { root, view } = stageOf<TokenEntropy>(create, { live: true });
    for (const event of EVENTS) view.update(event);
    const tokens = [...root.querySelectorAll<HTMLElement>(".token")];
    expect(tokens.map((token) => token.getAttribute("aria-label"))).toEqual([
      "Anna, 2.000",
      "has, 0.500",
      "<b>, 1.000",
    ]);
    expect(new Set(tokens.map((token) => token.style.backgroundColor)).size).toBe(3);
    expect(root.querySelector(".legend")?.textContent).toContain("0 to 2 nats");
    view.destroy();
    expect(root.childElementCount).toBe(0);
  });

  it("leaves the page as a table and a picture", () => {
    const { root, view } = stageOf<TokenEntropy>(create, { live: true });
    for (const event of EVENTS) view.update(event);
    const source = sourceOf(root.querySelector("figure") as Element);
    expect(source?.table()).toEqual({
      caption: "Next-token entropy",
      columns: ["Position", "Token", "Entropy (nats)"],
      rows: [
        [1, "Anna", 2],
        [2, " has", 0.5],
        [3, " <b>", 1],
      ],
    });
    const svg = source?.svg?.();
    expect([...(svg?.querySelectorAll("text") ?? [])].map((one) => one.textContent)).toContain(
      "Anna",
    );
    view.destroy();
  });

  it("marks what is chosen, by key and from elsewhere", () => {
    const { root, context, view } = stageOf<TokenEntropy>(create, { live: true });
    for (const event of EVENTS) view.update(event);
    context.selection.choose({ kind: "position", index: 1 });
    expect(root.querySelector(".token.is-primary")?.getAttribute("aria-label")).toContain("has");
    view.destroy();
  });
});
