import { afterEach, describe, expect, it, vi } from "vitest";
import type { Proposal } from "../../../src/gen/local_leap";
import { buttons, figure, LEAP, leapStage, press } from "../../decodingStage";

afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
});

describe("the canvas", () => {
  const cells = (root: HTMLElement) => [...root.querySelectorAll<HTMLElement>(".cell")];
  const slider = (root: HTMLElement) =>
    root.querySelector<HTMLInputElement>("input[type=range]") as HTMLInputElement;

  it("follows the latest step while a run goes on", () => {
    const { play, root } = leapStage();
    const first = LEAP.findIndex((event) => event.kind === "canvas");
    play(LEAP.slice(0, first + 1));
    expect(slider(root).value).toBe("0");
    play(LEAP.slice(first + 1, first + 3));
    expect(slider(root).value).toBe("2");
  });

  it("goes back and forth with the arrows, and leaves the address with the step", () => {
    const { play, root, context } = leapStage();
    play(LEAP);
    expect(slider(root).value).toBe("5");
    press(document, "ArrowLeft");
    expect(slider(root).value).toBe("4");
    expect(context.state.get("step")).toBe("4");
    expect(cells(root).filter((cell) => cell.classList.contains("fresh")).length).toBe(7);
    expect(cells(root)[12]?.getAttribute("aria-label")).toContain("near miss");
    press(document, "ArrowRight");
    expect(cells(root).every((cell) => !cell.classList.contains("waiting"))).toBe(true);
  });

  it("plays from the beginning with space, and stops at the end", () => {
    vi.useFakeTimers();
    const { play, root } = leapStage();
    play(LEAP);
    press(document, " ");
    expect(slider(root).value).toBe("0");
    vi.advanceTimersByTime(320 * 2);
    expect(slider(root).value).toBe("2");
    vi.advanceTimersByTime(320 * 20);
    expect(slider(root).value).toBe("5");
    expect(buttons(root, "▶ Play").length).toBe(1);
  });

  it("leaves the arrows to a field that is typed in", () => {
    const { play, root } = leapStage();
    play(LEAP);
    const input = document.body.appendChild(document.createElement("input"));
    press(input, "ArrowLeft");
    expect(slider(root).value).toBe("5");
  });

  it("keeps the elements of its cells", () => {
    const { play, root } = leapStage();
    play(LEAP);
    const before = cells(root);
    press(document, "ArrowLeft");
    expect(cells(root)).toEqual(before);
    expect(before.length).toBe(16);
  });

  it("draws how long answers waited, and drops what is end of text on request", () => {
    const { play, root } = leapStage();
    play(LEAP);
    const delayedDecoding = figure(root, "delays");
    expect(delayedDecoding.querySelectorAll(".life").length).toBe(16);
    expect(delayedDecoding.textContent).toContain(
      "of evaluations came after the prediction was final",
    );
    buttons(delayedDecoding, "Without end-of-text")[0]?.click();
    expect(buttons(delayedDecoding, "Without end-of-text")[0]?.getAttribute("aria-pressed")).toBe(
      "true",
    );
  });

  describe("the proposal of κ, τ and W", () => {
    const PROPOSAL: Proposal = {
      kappa: 0.99,
      tau: 0.8,
      width: 5,
      consistent: 412,
      looks: 415,
      positions: 30,
      low: 0.979,
      high: 0.998,
      verdict: "proposed",
      anchors: 103,
      anchors_consistent: 103,
      sentence: "Proposed for this model: κ = 0.99, τ = 0.8, W = 5 (…).",
    };
    const withProposal = (proposal: Proposal | null) =>
      LEAP.map((event) => (event.kind === "delays" ? { ...event, proposal } : event));

    function drawn(proposal: Proposal | null, params: Record<string, unknown> = {}) {
      const rerun = vi.fn();
      const { play, root } = leapStage({ context: { rerun }, facts: { params } });
      play(withProposal(proposal));
      const node = figure(root, "delays").querySelector<HTMLElement>(".proposal");
      if (!node) throw new Error("There is no proposal.");
      const [use] = buttons(node, "Use");
      if (!use) throw new Error("There is no button.");
      return { node, use, rerun };
    }

    it("is shown next to the table, and starts a run with its values", () => {
      const { node, use, rerun } = drawn(PROPOSAL);
      expect(node.textContent).toContain("Proposed for this model: κ = 0.99, τ = 0.8, W = 5");
      expect(node.textContent).toContain("From one prompt");
      use.click();
      const values = { kappa: 0.99, tau: 0.8, width: 5 };
      expect(rerun).toHaveBeenCalledWith({ decoder: "local_leap", ...values, forced: [] });
    });

    it("cannot be used where there is none, or where the run has its values", () => {
      const few = { ...PROPOSAL, verdict: "too_few", sentence: "Too few cases" } as const;
      const { node, use } = drawn(few);
      expect(node.textContent).toContain("Too few cases");
      expect(use.hidden).toBe(true);
      const ran = { decoder: "local_leap", kappa: 0.99, tau: 0.8, width: 5 };
      expect(drawn(PROPOSAL, ran).use.hidden).toBe(true);
      expect(drawn(PROPOSAL, { ...ran, decoder: "vanilla" }).use.hidden).toBe(false);
    });

    it("is left out of traces from before it came", () => {
      expect(drawn(null).node.hidden).toBe(true);
    });
  });
});
