import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { arrive, keepFocus } from "../../src/base/focus";

const settle = () => new Promise((done) => setTimeout(done));
const at = (selector: string) => document.querySelector(selector) as HTMLElement;

beforeEach(() => {
  vi.spyOn(Element.prototype, "getClientRects").mockReturnValue([{}] as unknown as DOMRectList);
});

afterEach(() => {
  document.body.replaceChildren();
  vi.restoreAllMocks();
});

describe("a page that is opened", () => {
  it("gives the focus to its heading, also when that comes late and is drawn again", async () => {
    document.body.innerHTML = "<div id=page><main>Loading</main></div>";
    const stop = arrive(at("#page"));
    expect(document.activeElement).toBe(document.body);
    at("main").innerHTML = "<h1>One</h1>";
    await settle();
    expect(document.activeElement).toBe(at("h1"));
    at("#page").innerHTML = "<main><h1>Two</h1></main>";
    await settle();
    expect(document.activeElement?.textContent).toBe("Two");
    stop();
  });

  it("leaves it where somebody has put it", async () => {
    document.body.innerHTML = "<div id=page><main><input></main></div>";
    arrive(at("#page"));
    at("input").focus();
    at("main").append(Object.assign(document.createElement("h1"), { textContent: "Late" }));
    await settle();
    expect(document.activeElement).toBe(at("input"));
  });
});

describe("what has the focus is taken away", () => {
  it("what takes its place gets it, else what is nearest before", async () => {
    document.body.innerHTML =
      "<section><button id=a></button><p><button id=b></button></p><i></i></section>";
    const stop = keepFocus(at("section"));
    at("#b").focus();
    at("p").remove();
    await settle();
    expect(document.activeElement).toBe(at("#a"));
    at("section").insertAdjacentHTML("afterbegin", "<form><textarea></textarea></form>");
    at("textarea").focus();
    at("form").replaceWith(Object.assign(document.createElement("button"), { id: "c" }));
    await settle();
    expect(document.activeElement).toBe(at("#c"));
    stop();
  });

  it("and stays where it is when something else is", async () => {
    document.body.innerHTML = "<section><button id=a></button><p></p></section>";
    keepFocus(at("section"));
    at("#a").focus();
    at("p").remove();
    await settle();
    expect(document.activeElement).toBe(at("#a"));
  });
});
