// Components on a page of their own, and what a person sees and does there.

import { flushSync, mount, tick, unmount, type Component } from "svelte";
import { vi } from "vitest";
import { router } from "../src/base/router.svelte";

let stops: (() => void)[] = [];
/** After each test of a file that shows components. */
export function takeDown(): void {
  stops.forEach((stop) => stop());
  stops = [];
  document.body.replaceChildren();
  localStorage.clear();
  sessionStorage.clear();
  history.replaceState(null, "", "/");
  router.set({});
  vi.unstubAllGlobals();
}

export function show<Props extends Record<string, unknown>>(
  component: Component<Props>,
  props: Props,
) {
  const target = document.body.appendChild(document.createElement("div"));
  const shown = mount(component, { target, props });
  flushSync();
  stops.push(() => void unmount(shown));
  return target;
}

export const button = (name: string | RegExp) =>
  [...document.querySelectorAll("button")].find((one) => {
    const text = one.getAttribute("aria-label") ?? one.textContent ?? "";
    return typeof name === "string" ? text.trim().startsWith(name) : name.test(text);
  });
export const field = (name: string) =>
  document.querySelector<HTMLTextAreaElement>(`[aria-label="${name}"]`);
export const said = () => document.body.textContent?.replace(/\s+/g, " ") ?? "";
export const press = (key: string) =>
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));

export async function write(into: HTMLTextAreaElement | HTMLInputElement | null, text: string) {
  if (!into) throw new Error("no such field");
  into.value = text;
  into.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
  await tick();
}
