import { afterEach, expect, it } from "vitest";
import { CNTP, cntpStage, figure } from "../../decodingStage";

afterEach(() => document.body.replaceChildren());

it("shows the text of the decoder that is chosen", () => {
  const { play, root, context } = cntpStage();
  play(CNTP);
  for (const trace of ["1", "2", null]) {
    context.state.set("trace", trace);
    const output = figure(root, "text").querySelectorAll(".strip-section:last-child .token");
    expect(output.length).toBeGreaterThan(5);
    for (const token of output) {
      const [said = ""] = token.getAttribute("aria-label")?.split(", ") ?? [];
      expect(token.textContent).toContain(said);
    }
  }
});
