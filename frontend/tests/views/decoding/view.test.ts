import { get } from "svelte/store";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { RunEntry } from "../../../src/view/view";
import { writeTraces } from "../../../src/views/decoding/file";
import { measure } from "../../../src/pictures/sheet";
import { buttons, CNTP, cntpStage, figure, LEAP, leapStage, press } from "../../decodingStage";
import type { RunEvent } from "../../../src/views/decoding/traces";
import { drawn } from "../../stage";

afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
});

describe("live and replayed", () => {
  it.each([
    ["cntp", cntpStage, CNTP],
    ["local_leap", leapStage, LEAP],
  ])("%s ends in the same picture", (_, make, events) => {
    const live = make({ live: true });
    live.play(events);
    const replayed = make();
    expect(replayed.play(events)).toBe(1);
    expect(drawn(replayed.root)).toBe(drawn(live.root));
    expect(drawn(replayed.root)).not.toContain("NaN");
  });

  it.each([
    ["cntp", cntpStage, CNTP],
    ["local_leap", leapStage, LEAP],
  ])("%s shows whatever there is when a run stops anywhere", (_, make, events) => {
    for (let length = 0; length <= events.length; length += 7) {
      const { play, root } = make();
      play(events.slice(0, length));
      expect(drawn(root)).not.toMatch(/NaN|undefined/);
      document.body.replaceChildren();
    }
  });
});

describe("the text with entropy", () => {
  const tokens = (root: HTMLElement) => [
    ...figure(root, "text").querySelectorAll<HTMLElement>(".strip-section:last-child .token"),
  ];

  it("raises a bar over each token and counts trials at a branch point", () => {
    const { play, root } = cntpStage();
    play(CNTP);
    const output = tokens(root);
    const badges = output.map((token) => token.dataset.badge ?? "");
    expect(badges.filter(Boolean).length).toBe(4);
    expect(badges[0]).toBe("×6");
    expect(output[0]?.style.getPropertyValue("--ribbon")).toMatch(/%$/);
    expect(output[0]?.getAttribute("aria-label")).toContain("branch point with 6 trials");
    expect(output[0]?.classList.contains("joined")).toBe(true);
  });

  it("opens the branch point of the token that is clicked", () => {
    const { play, root, context } = cntpStage();
    play(CNTP);
    tokens(root)[9]?.click();
    expect(context.state.get("token")).toBe("9");
    expect(figure(root, "fork").textContent).toContain("Branch point at output token 9");
    press(document, "f");
    expect(context.state.get("token")).toBe("11");
    press(document, "F");
    expect(context.state.get("token")).toBe("8");
    press(document, "Escape");
    expect(context.state.get("token")).toBeNull();
    expect(get(context.selection).primary).toBeNull();
  });

  it("draws another decoder of the run when it is chosen", () => {
    const { play, root, context } = cntpStage();
    play(CNTP);
    const select = root.querySelector<HTMLSelectElement>(".chooser select");
    if (!select) throw new Error("no chooser");
    select.value = "1";
    select.dispatchEvent(new Event("change"));
    expect(context.state.get("trace")).toBe("1");
    expect(
      tokens(root)
        .map((token) => token.dataset.badge ?? "")
        .join(""),
    ).toBe("");
    expect(figure(root, "fork").hidden).toBe(true);
  });
});

describe("the branch point", () => {
  it("orders its trials by a number, and keeps the focus on its head", () => {
    const { play, root } = cntpStage();
    play(CNTP);
    const branchPoint = figure(root, "fork");
    const head = () =>
      branchPoint.querySelector<HTMLElement>("[data-column=Perplexity]") as HTMLElement;
    const column = [...branchPoint.querySelectorAll(".trials th[scope=col]")].findIndex((one) =>
      one.textContent?.startsWith("Perplexity"),
    );
    const values = () =>
      [...branchPoint.querySelectorAll(".trials tbody tr")].map((row) =>
        Number(row.children[column]?.textContent),
      );
    const sorted = [...values()].sort((a, b) => a - b);
    head().click();
    expect(values()).toEqual(sorted);
    expect(document.activeElement).toBe(head());
    head().click();
    expect(values()).toEqual(sorted.reverse());
    expect(head().closest("th")?.getAttribute("aria-sort")).toBe("descending");
  });

  it("gives each text of the tree its room, the bold ones too", () => {
    const { play, root } = cntpStage();
    play(CNTP);
    const cells = [...figure(root, "fork").querySelectorAll(".trie-cell")];
    expect(cells.length).toBeGreaterThan(5);
    for (const cell of cells) {
      const text = cell.querySelector("text");
      const weight = Number(text?.getAttribute("font-weight"));
      const needed = measure(text?.textContent ?? "", 12.5, weight);
      expect(Number(cell.querySelector("rect")?.getAttribute("width"))).toBeGreaterThan(needed);
    }
    expect(measure("First", 12.5, 700)).toBeGreaterThan(measure("First", 12.5));
  });
});

describe("taking a branch", () => {
  it("of a trial starts a run with one more decision", () => {
    const { play, root, reruns } = cntpStage();
    play(CNTP);
    const rows = [...figure(root, "fork").querySelectorAll("tbody tr")] as HTMLElement[];
    expect(rows.map((row) => buttons(row, "Continue from this trial").length)).toEqual([
      1, 1, 1, 1, 1, 0,
    ]);
    buttons(rows[2] as HTMLElement, "Continue from this trial")[0]?.click();
    expect(reruns).toEqual([{ decoder: "cntp", forced: [{ position: 0, trial: 2 }] }]);
  });

  it("of a token of a baseline makes the run about that baseline", () => {
    const { play, detail, reruns } = cntpStage({ state: { trace: "1", token: "3" } });
    play(CNTP);
    buttons(detail, "Force")[0]?.click();
    expect(reruns).toEqual([
      { decoder: "greedy", forced: [{ position: 3, token: expect.any(Number) as number }] },
    ]);
  });

  it("is not offered where whole outputs are drawn", () => {
    const { play, root } = cntpStage({ state: { trace: "2" } });
    play(CNTP);
    expect(figure(root, "fork").hidden).toBe(false);
    expect(buttons(figure(root, "fork"), "Continue from this trial")).toEqual([]);
  });

  it("of a position of the canvas names the step", () => {
    const { play, detail, reruns } = leapStage({ state: { token: "1", step: "1" } });
    play(LEAP);
    buttons(detail, "Force")[0]?.click();
    expect(reruns).toEqual([
      {
        decoder: "local_leap",
        forced: [{ step: 1, position: 1, token: expect.any(Number) as number }],
      },
    ]);
  });

  const entry = (id: string, forced: unknown[]): RunEntry => ({
    id,
    method: "cntp",
    model: "demo-lm",
    params: { prompt: "p", forced },
    status: "done",
    createdAt: id,
  });

  it("names tokens that no event of the run names by asking once, else by their ids", async () => {
    const list = () =>
      Promise.resolve([entry("b", [{ position: 0, token: 90001 }]), entry("a", [])]);
    const runs = { list, events: () => Promise.resolve([]) };
    const facts = {
      id: "a",
      method: "cntp",
      model: "demo-lm",
      params: { prompt: "p", forced: [] },
    };
    const asked: (readonly number[])[] = [];
    for (const texts of [new Map([[90001, " Emma"]]), new Map<number, string>()]) {
      const tokenTexts = (ids: readonly number[]) => {
        asked.push(ids);
        return Promise.resolve(texts);
      };
      const { play, root } = cntpStage({ facts, context: { runs, tokenTexts } });
      play(CNTP);
      const name = texts.size ? "“·Emma” at position 1" : "“#90001” at position 1";
      await vi.waitFor(() => expect(figure(root, "branches").textContent).toContain(name));
      document.body.replaceChildren();
    }
    expect(asked).toEqual([[90001], [90001]]);
  });

  it("shows the tree of branches with the run itself in it", async () => {
    const runs = {
      list: () => Promise.resolve([entry("b", [{ position: 1, token: 1037 }]), entry("a", [])]),
      events: () => Promise.resolve([]),
    };
    const facts = {
      id: "a",
      method: "cntp",
      model: "demo-lm",
      params: { prompt: "p", forced: [] },
    };
    const { play, root } = cntpStage({ facts, context: { runs } });
    play(CNTP);
    await vi.waitFor(() => expect(figure(root, "branches").hidden).toBe(false));
    const links = [...figure(root, "branches").querySelectorAll("a")];
    expect(links.map((link) => link.getAttribute("href"))).toEqual(["/runs/a", "/runs/b"]);
    expect(links[0]?.getAttribute("aria-current")).toBe("page");
    expect(links[1]?.textContent).toContain("Anna");
  });
});

describe("thresholds", () => {
  const set = (root: HTMLElement, at: number, value: string) => {
    const input = figure(root, "thresholds").querySelectorAll("input")[at] as HTMLInputElement;
    input.value = value;
    input.dispatchEvent(new Event("input"));
  };

  it("say what the trial counts would be, and start a run with them", () => {
    const { play, root, reruns, context } = cntpStage();
    play(CNTP);
    const said = () => figure(root, "thresholds").querySelector("[role=status]")?.textContent;
    expect(said()).toMatch(/branch points 4 → 4, trials 21 → 21/);
    set(root, 2, "2");
    expect(said()).toMatch(
      /branch points 4 → \d+, trials 21 → \d+, most at one branch point 6 → 2/,
    );
    expect(context.state.get("remap")).toContain(",2,");
    buttons(root, "Run with these")[0]?.click();
    expect(reruns[0]).toMatchObject({ max_trials: 2, formula: "code" });
  });

  it("out of order are refused, and nothing runs", () => {
    const { play, root, reruns } = cntpStage();
    play(CNTP);
    set(root, 1, "0");
    expect(figure(root, "thresholds").textContent).toContain("H_hi must be above H_lo");
    buttons(root, "Run with these")[0]?.click();
    expect(reruns).toEqual([]);
  });
});

describe("the comparison", () => {
  const lanes = (root: HTMLElement) => [...root.querySelectorAll<HTMLElement>(".lane")];

  it("marks the first difference from the reference, and changes the reference", () => {
    const { play, root, context } = cntpStage();
    play(CNTP);
    expect(lanes(root).length).toBe(4);
    expect(lanes(root)[0]?.textContent).toContain("reference");
    expect(lanes(root)[0]?.querySelector(".diverges")).toBeNull();
    expect(lanes(root)[1]?.textContent).toMatch(/first difference at token \d+/);
    expect(lanes(root)[1]?.querySelectorAll(".diverges").length).toBe(1);
    lanes(root)[1]?.querySelector("input")?.dispatchEvent(new Event("change"));
    expect(context.state.get("reference")).toBe("/1");
    expect(lanes(root)[1]?.textContent).toContain("reference");
  });

  it("says what the checkpoint asks, and whether the decoder does it", () => {
    const asked = { applied: { top_p: 0.8 }, not_applied: { repetition_penalty: 1.05 } };
    const { play, root } = cntpStage();
    play(CNTP.map((event) => (event.kind === "trace_start" ? { ...event, ...asked } : event)));
    const said = "generation_config applied: top_p 0.8; not applied: repetition_penalty 1.05";
    expect(figure(root, "text").textContent).toContain(said);
    const tags = lanes(root).map((lane) => lane.querySelector(".lane-tag.warn"));
    expect(tags.every((tag) => tag?.getAttribute("title") === said)).toBe(true);
    expect(tags[0]?.textContent).toBe("generation_config partly applied");
    const lines = lanes(root).map((lane) => lane.querySelector(".lane-asked")?.textContent ?? "");
    expect(lines).toEqual([said, ...lines.slice(1).map(() => "")]);
  });

  it.each([
    ["4", false, "answer 4, wrong"],
    ["5", true, "answer 5, right"],
    [null, false, "no answer, wrong"],
    ["5", null, "answer 5"],
  ])("tells an answer %s, right: %s", (answer, right, said) => {
    const { play, root } = cntpStage();
    play(CNTP.map((one) => (one.kind === "trace_end" ? { ...one, answer, right } : one)));
    expect(lanes(root)[0]?.querySelector(".lane-facts")?.textContent).toContain(` ${said} `);
    expect(figure(root, "text").textContent).toContain(said);
  });

  it("says which texts are the same", () => {
    const { play, root } = leapStage();
    play(LEAP);
    const same = lanes(root).filter((lane) => lane.textContent?.includes("same text"));
    expect(same.length).toBe(1); // the threshold decoder wrote what LocalLeap wrote
    expect(same[0]?.textContent).toContain("threshold");
  });

  it("writes a long run of one token once, with its length", () => {
    const { play, root } = leapStage();
    play(LEAP);
    const text = lanes(root)[0]?.querySelector(".lane-text");
    const shown = [...(text?.querySelectorAll(".lane-token") ?? [])].map((one) => one.textContent);
    const counts = [...(text?.textContent ?? "").matchAll(/×(\d+)/g)].map(
      (found) => +(found[1] ?? 0),
    );
    expect(counts.length).toBeGreaterThan(0);
    expect(Math.min(...counts)).toBeGreaterThan(3);
    expect(shown.length + counts.reduce((sum, n) => sum + n - 1, 0)).toBe(16);
  });

  const addFile = async (root: HTMLElement, text: string) => {
    const input = root.querySelector<HTMLInputElement>("input[type=file]");
    if (!input) throw new Error("no file input");
    const file = { name: "other.json", size: text.length, text: () => Promise.resolve(text) };
    Object.defineProperty(input, "files", { value: [file], configurable: true });
    input.dispatchEvent(new Event("change"));
    await Promise.resolve();
  };

  it("takes in the traces of a file, and lets go of them", async () => {
    const { play, root } = cntpStage();
    play(CNTP);
    await addFile(root, writeTraces(CNTP));
    await vi.waitFor(() => expect(lanes(root).length).toBe(8));
    expect(lanes(root)[4]?.textContent).toContain("other.json");
    expect(lanes(root)[4]?.textContent).toContain("same text");
    buttons(lanes(root)[4] as HTMLElement, "Remove")[0]?.click();
    expect(lanes(root).length).toBe(4);
  });

  it("refuses a file of another prompt, and one that is none", async () => {
    const { play, root } = cntpStage();
    play(CNTP);
    const error = () => root.querySelector(".error")?.textContent ?? "";
    await addFile(root, writeTraces(LEAP));
    await vi.waitFor(() => expect(error()).toContain("prompt differs"));
    await addFile(root, "<html>");
    await vi.waitFor(() => expect(error()).toContain("not valid JSON"));
    expect(lanes(root).length).toBe(4);
  });

  it("takes in another run of the prompt, which the address then names", async () => {
    const other: RunEntry = {
      id: "other",
      method: "cntp",
      model: "demo-lm",
      params: { prompt: "Anna has the ball.", seed: 5, forced: [] },
      status: "done",
      createdAt: "2026-01-02T03:04:05Z",
    };
    const runs = {
      list: () => Promise.resolve([other, { ...other, id: "x", params: { prompt: "no" } }]),
      events: () => Promise.resolve(CNTP),
    };
    const { play, root, context } = cntpStage({ context: { runs } });
    play(CNTP);
    buttons(root, "Add a run")[0]?.click();
    const select = root.querySelector<HTMLSelectElement>(".adding select");
    await vi.waitFor(() => expect(select?.options.length).toBe(2));
    if (select) select.value = "other";
    select?.dispatchEvent(new Event("change"));
    await vi.waitFor(() => expect(lanes(root).length).toBe(8));
    expect(context.state.get("with")).toBe("other");
    const opened = cntpStage({ state: { with: "other" }, context: { runs } });
    opened.play(CNTP);
    await vi.waitFor(() => expect(lanes(opened.root).length).toBe(8));
  });
});

describe("exports", () => {
  it.each([
    ["cntp", cntpStage, CNTP],
    ["local_leap", leapStage, LEAP],
  ])("of %s are well-formed, whatever the tokens hold", async (_, make, events) => {
    const hostile = JSON.parse(
      JSON.stringify(events).replaceAll('" Tom"', '"<script>\\u202e&=1"'),
    ) as RunEvent[];
    const saved: Blob[] = [];
    vi.stubGlobal("URL", {
      createObjectURL: (blob: Blob) => `blob:${saved.push(blob)}`,
      revokeObjectURL: () => undefined,
    });
    const { play, root } = make();
    play(hostile);
    expect(root.querySelector("script")).toBeNull();
    const stop = (event: Event) => event.preventDefault();
    document.addEventListener("click", stop);
    for (const kind of ["CSV", "JSON", "SVG", "Save traces"])
      for (const button of buttons(root, kind)) if (!button.hidden) button.click();
    document.removeEventListener("click", stop);
    vi.unstubAllGlobals();
    const texts = await Promise.all(saved.map(readText));
    const pictures = texts.filter((text) => text.startsWith("<svg"));
    expect(pictures.length).toBe(5);
    for (const text of pictures) {
      expect(text).not.toContain("<script");
      expect(text).not.toContain("NaN");
      const read = new DOMParser().parseFromString(text, "image/svg+xml");
      expect(read.querySelector("parsererror")).toBeNull();
    }
    expect(texts.filter((text) => text.includes("glassbench.trace")).length).toBe(1);
  });
});

function readText(blob: Blob): Promise<string> {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.readAsText(blob);
  });
}

it("leaves nothing behind when it is destroyed", () => {
  for (const [make, events] of [
    [cntpStage, CNTP],
    [leapStage, LEAP],
  ] as const) {
    const { play, view, root, detail } = make({ state: { token: "2" } });
    play(events);
    view.destroy();
    expect(root.childNodes).toHaveLength(0);
    expect(detail.childNodes).toHaveLength(0);
  }
});
