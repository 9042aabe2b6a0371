import { afterEach, describe, expect, it } from "vitest";
import type { Method, Model } from "../../src/net/api";
import { explainAddress } from "../../src/run/explain";
import type { ViewContext } from "../../src/view/view";
import { create } from "../../src/views/cntp";
import type { RunEvent } from "../../src/views/decoding/traces";
import decoder from "../../../workbench/gen/methods/cntp.json";
import flow from "../../../workbench/gen/methods/information_flow.json";
import reagent from "../../../workbench/gen/methods/reagent.json";
import cntp from "../fixtures/cntp.json";
import { stageOf } from "../stage";

afterEach(() => document.body.replaceChildren());

describe("from a token to ReAGent", () => {
  const methods = [decoder, flow, reagent] as unknown as Method[];
  const models = [
    { id: "canvas", capabilities: ["masked_diffusion_lm"] },
    { id: "demo-lm", capabilities: ["causal_lm"] },
  ] as unknown as Model[];
  const [method] = methods;
  const source = { method, model: "demo-lm", params: { prompt: "Anna", chat: false } };
  const paramsOf = (href: string) =>
    JSON.parse(new URL(href, "http://x").searchParams.get("params") ?? "") as unknown;

  const tokens = (...texts: string[]) => texts.map((text, at) => ({ id: 40 + at, text }));

  it("fills the form with the tokens up to the chosen one, which is the target", () => {
    const found = explainAddress(source, { output: tokens(" has", " it") }, methods, models);
    expect(paramsOf(found?.href ?? "")).toEqual({
      chat: false,
      prompt: "Anna",
      continuation: [40, 41],
      target_start: 1,
    });
  });

  it("gives another reader the text, since its tokens are others", () => {
    const other = { ...source, model: "canvas" };
    const found = explainAddress(other, { output: tokens(" has", " it") }, methods, models);
    expect(paramsOf(found?.href ?? "")).toMatchObject({ continuation: " has it" });
  });

  it("names another reader where the model itself cannot be asked", () => {
    const other = { ...source, model: "canvas" };
    const found = explainAddress(other, { output: tokens("a") }, methods, models);
    expect(found?.model).toBe("demo-lm");
    const foreign = { ...source, model: "hub/any" };
    expect(explainAddress(foreign, { output: tokens("a") }, methods, models)?.model).toBe(
      "hub/any",
    );
  });

  it("moves what is beyond ReAGent's limit into the prompt, unless that is a chat", () => {
    const output = tokens(...Array.from({ length: 258 }, (_, i) => ` ${i}`));
    const found = explainAddress(source, { output }, methods, models);
    expect(paramsOf(found?.href ?? "")).toMatchObject({ prompt: "Anna 0 1", target_start: 255 });
    const chat = { ...source, params: { prompt: "Anna", chat: true } };
    expect(explainAddress(chat, { output }, methods, models)).toBeNull();
  });

  it("is a link at every token that has text", () => {
    const explain: ViewContext["explain"] = ({ output }) => ({
      href: `/?n=${output.length}`,
      model: "demo-lm",
    });
    const { play, detail } = stageOf(create, { state: { token: "4" }, context: { explain } });
    play(cntp as unknown as RunEvent[]);
    expect(detail.querySelector("a")?.getAttribute("href")).toBe("/?n=5");
  });
});
