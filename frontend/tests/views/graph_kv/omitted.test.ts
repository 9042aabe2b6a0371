import { expect, it } from "vitest";
import type { MethodEvent } from "../../../src/gen/graph_kv";
import { create } from "../../../src/views/graph_kv";
import recorded from "../../fixtures/graph_kv.json";
import { stageOf } from "../../stage";

const EVENTS = recorded as unknown as MethodEvent[];
const figure = (root: HTMLElement, stem: string) =>
  root.querySelector(`[data-figure=${stem}]`) as HTMLElement;

it("draws the rest of a run that left modes and patterns out", () => {
  const without = ["sequential", "full"];
  const patterns = ["token_mass", "sinks", "routes"];
  const note = { kind: "omitted", analysis: "Mode full", reason: "" } as MethodEvent;
  const rest = EVENTS.filter(
    (event) => !patterns.includes(event.kind) && !("mode" in event && without.includes(event.mode)),
  );
  const { play, root } = stageOf<MethodEvent>(create, {});
  play([note, ...rest]);
  expect(root.querySelectorAll(".curve").length).toBeGreaterThan(0);
  expect(figure(root, "sinks").hidden).toBe(true);
  expect(figure(root, "arrangements").hidden).toBe(false);
  const modes = [...figure(root, "mask").querySelectorAll("option")].map(({ value }) => value);
  expect(modes).toContain("graph");
  expect(modes.filter((mode) => without.includes(mode))).toEqual([]);
});
