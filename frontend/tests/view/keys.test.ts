// Which key presses act on a view, as browsers report them for several keyboard layouts.

import { afterEach, describe, expect, it } from "vitest";
import { plainKey, viewKey } from "../../src/view/keys";

interface Modifiers {
  ctrlKey?: boolean;
  altKey?: boolean;
  metaKey?: boolean;
  shiftKey?: boolean;
}

const press = (key: string, modifiers: Modifiers = {}) =>
  new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...modifiers });

/** What the guard says of a press on the focused element. */
function said(root: Element, event = press("p")): string | null {
  let key: string | null = null;
  const hear = (heard: KeyboardEvent) => (key = viewKey(heard));
  window.addEventListener("keydown", hear);
  root.dispatchEvent(event);
  window.removeEventListener("keydown", hear);
  return key;
}

describe("a key", () => {
  it.each<[string, string, Modifiers]>([
    ["US", "[", {}],
    ["US, Shift", "{", { shiftKey: true }],
    ["German on Windows, AltGr + 8", "[", { ctrlKey: true, altKey: true }],
    ["German on Windows, AltGr + 7", "{", { ctrlKey: true, altKey: true }],
    ["German on Linux, AltGr + 9", "]", {}],
    ["German on macOS, Option + 6", "]", { altKey: true }],
    ["French on macOS, Option + Shift + 5", "[", { altKey: true, shiftKey: true }],
    ["Swedish on macOS, Option + Shift + 9", "}", { altKey: true, shiftKey: true }],
    ["any", "p", {}],
    ["any, Shift", "F", { shiftKey: true }],
    ["any", "ArrowLeft", {}],
  ])("acts, layout %s: %s", (_, key, modifiers) => {
    expect(plainKey(press(key, modifiers))).toBe(key);
  });

  it.each<[string, string, Modifiers]>([
    ["back in Safari", "[", { metaKey: true }],
    ["a tab of the browser", "{", { metaKey: true, shiftKey: true }],
    ["an editor's indent", "]", { ctrlKey: true }],
    ["print", "p", { ctrlKey: true }],
    ["print on macOS", "p", { metaKey: true }],
    ["another character of Option", "π", { altKey: true }],
    ["back in the history", "ArrowLeft", { altKey: true }],
    ["a word further", "ArrowRight", { ctrlKey: true }],
    ["AltGr with a letter on Windows", "x", { ctrlKey: true, altKey: true }],
  ])("is left to others: %s", (_, key, modifiers) => {
    expect(plainKey(press(key, modifiers))).toBeNull();
  });
});

describe("the focus", () => {
  afterEach(() => document.body.replaceChildren());

  const put = (html: string, selector: string): Element => {
    document.body.innerHTML = html;
    return document.querySelector(selector) as Element;
  };

  it.each([
    ["<div tabindex='0'></div>", "div"],
    ["<button>x</button>", "button"],
    ["<input type='range'>", "input"],
  ])("in %s leaves keys to the view", (html, selector) => {
    expect(said(put(html, selector))).toBe("p");
  });

  it.each([
    ["<input>", "input"],
    ["<textarea></textarea>", "textarea"],
    ["<select></select>", "select"],
    ["<div contenteditable><b>x</b></div>", "b"],
    ["<div role='dialog'><button>x</button></div>", "button"],
    ["<div data-typing><p>x</p></div>", "p"],
  ])("in %s keeps them", (html, selector) => {
    expect(said(put(html, selector))).toBeNull();
  });

  it("is no matter where a key was handled already", () => {
    const event = press("p");
    event.preventDefault();
    expect(said(put("<div></div>", "div"), event)).toBeNull();
  });
});
