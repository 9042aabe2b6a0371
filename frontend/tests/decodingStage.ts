// What tests of decoding views share: recorded events, stages, and how their parts are found.

import type { RunEvent } from "../src/views/decoding/traces";
import { create as createCntp } from "../src/views/cntp";
import { create as createLeap } from "../src/views/local_leap";
import cntp from "./fixtures/cntp.json";
import leap from "./fixtures/local_leap.json";
import { stageOf } from "./stage";

export const CNTP = cntp as unknown as RunEvent[];
export const LEAP = leap as unknown as RunEvent[];

type Options = Parameters<typeof stageOf>[1];
export const cntpStage = (options: Options = {}) => stageOf(createCntp, options);
export const leapStage = (options: Options = {}) => stageOf(createLeap, options);

export const press = (target: EventTarget, key: string) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
export const buttons = (root: ParentNode, text: string) =>
  [...root.querySelectorAll("button")].filter((one) => one.textContent === text);
export const figure = (root: ParentNode, stem: string) =>
  root.querySelector(`[data-figure=${stem}]`) as HTMLElement;
