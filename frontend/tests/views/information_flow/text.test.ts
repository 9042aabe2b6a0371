import { get } from "svelte/store";
import { afterEach, describe, expect, it } from "vitest";
import type { Edit, FlowRow, Groups, MethodEvent, Routes } from "../../../src/gen/information_flow";
import { create } from "../../../src/views/information_flow";
import type { RunFacts } from "../../../src/view/view";
import recorded from "../../fixtures/information_flow_text.json";
import { drawn, stageOf } from "../../stage";

const EVENTS = recorded as unknown as MethodEvent[];
const only = <Event extends MethodEvent>(kind: Event["kind"]) =>
  EVENTS.filter((event): event is Event => event.kind === kind);
const GROUPS = only<Groups>("groups")[0] as Groups;
const ROWS = new Map(only<FlowRow>("flow_row").map((event) => [event.row, event]));
const EDIT = only<Edit>("edit")[0] as Edit;
const LAST = GROUPS.groups.length - 1;
const INTO_ANSWER = ROWS.get(LAST)?.delta_logprob ?? [];
const STRONGEST = INTO_ANSWER.indexOf(Math.min(...INTO_ANSWER));

const facts: Partial<RunFacts> = {
  method: "information_flow",
  params: { prompt: "Who has the key?" },
  defaults: { seed: 0, edges: [] },
  info: { layers: 5, heads: 4 } as RunFacts["info"],
};

/** Views listen to the document's keys until they are destroyed. */
const views: { destroy(): void }[] = [];
afterEach(() => {
  for (const view of views.splice(0)) view.destroy();
  document.body.replaceChildren();
});

function onStage(options: Parameters<typeof stageOf>[1] = {}) {
  // Rows without an effect are drawn too, so that a cell's place is its group's.
  const state = { whole: "1", ...options.state };
  const made = stageOf<MethodEvent>(create, { facts, ...options, state });
  views.push(made.view);
  return made;
}
const played = (options: Parameters<typeof stageOf>[1] = {}) => {
  const stage = onStage(options);
  stage.play(EVENTS);
  return stage;
};
const figure = (root: ParentNode, stem: string) =>
  root.querySelector(`[data-figure=${stem}]`) as HTMLElement;
const buttonIn = (root: ParentNode, text: string) =>
  [...root.querySelectorAll<HTMLButtonElement>("button")].find(
    (one) => one.textContent === text,
  ) as HTMLButtonElement;
const press = (target: EventTarget, key: string, more: KeyboardEventInit = {}) =>
  target.dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }),
  );
const rows = (root: ParentNode) => [...figure(root, "edges").querySelectorAll("li")];
const startOf = (group: number) => GROUPS.groups[group]?.start ?? -1;

/** Points at a cell as a browser would, from the layout of the canvas. */
function at(matrix: HTMLElement, row: number, column: number): MouseEventInit {
  const canvas = matrix.querySelector("canvas") as HTMLCanvasElement;
  const size = (name: "left" | "top" | "width" | "height") => parseFloat(canvas.style[name]);
  return {
    bubbles: true,
    clientX: size("left") + ((column + 0.5) * size("width")) / canvas.width,
    clientY: size("top") + ((row + 0.5) * size("height")) / canvas.height,
  };
}
const matrixIn = (root: ParentNode, stem: string) =>
  figure(root, stem).querySelector(".matrix") as HTMLElement;
const click = (root: ParentNode, stem: string, row: number, column: number) => {
  const matrix = matrixIn(root, stem);
  matrix.dispatchEvent(new MouseEvent("click", at(matrix, row, column)));
};

describe("live and replayed", () => {
  it("end in the same pictures, drawn once", () => {
    const live = onStage({ live: true });
    live.play(EVENTS);
    const replayed = onStage();
    expect(replayed.play(EVENTS)).toBe(1);
    expect(drawn(replayed.root)).toBe(drawn(live.root));
  });

  it("show whatever there is when the run stops anywhere", () => {
    for (let length = 0; length <= EVENTS.length; length += 5) {
      const { play, root, detail } = onStage({ state: { token: "3" } });
      play(EVENTS.slice(0, length));
      expect(drawn(root) + drawn(detail)).not.toMatch(/NaN|undefined|Infinity/);
      document.body.replaceChildren();
    }
  });
});

describe("the text", () => {
  it("is filled with what the answer's reader loses, the strongest source deepest", () => {
    const { tokensOf } = helpers(played().root);
    expect(tokensOf(STRONGEST)[0]?.style.backgroundColor).toBe("rgb(217, 95, 2)");
    expect(tokensOf(STRONGEST)[0]?.getAttribute("aria-label")).toContain("nats");
    expect(tokensOf(LAST)[0]?.dataset.badge).toBe("reader");
  });

  it("follows the reader whose row was chosen, and returns to the answer's", () => {
    const { root, context } = played();
    click(root, "matrix", 4, 1);
    expect(context.state.get("reader")).toBe("4");
    const { tokensOf } = helpers(root);
    expect(tokensOf(4)[0]?.dataset.badge).toBe("reader");
    expect(tokensOf(6)[0]?.classList.contains("outside")).toBe(true);
    buttonIn(figure(root, "text"), "Effect on the answer").click();
    expect(context.state.get("reader")).toBeNull();
    expect(tokensOf(LAST)[0]?.dataset.badge).toBe("reader");
  });
});

function helpers(root: HTMLElement) {
  const tokens = [...figure(root, "text").querySelectorAll<HTMLElement>(".token")];
  return {
    tokensOf: (group: number) => {
      const { start = 0, end = 0 } = GROUPS.groups[group] ?? {};
      return tokens.filter(({ dataset }) => start <= Number(dataset.key) && Number(dataset.key) < end); // prettier-ignore
    },
  };
}

describe("the matrix", () => {
  it("has every number in its table twin", () => {
    const { root } = played({ state: { tables: "matrix" } });
    const shown = figure(root, "matrix").querySelectorAll(".figure-table tbody tr");
    expect(shown).toHaveLength((LAST * (LAST + 1)) / 2);
  });

  it("tells causality from nothing and from not yet", () => {
    const { root } = played();
    const readout = () => figure(root, "matrix").querySelector(".readout")?.textContent;
    const matrix = matrixIn(root, "matrix");
    const hover = (row: number, column: number) =>
      matrix.dispatchEvent(new MouseEvent("pointermove", at(matrix, row, column)));
    hover(2, 5);
    expect(readout()).toContain("comes later, masked");
    hover(3, 3);
    expect(readout()).toContain("attention within a group");
    hover(LAST, STRONGEST);
    expect(readout()).toMatch(/answer −[\d.]+ nats, reader's state changed by [\d.]+/);
    matrix.dispatchEvent(new MouseEvent("pointerleave"));
    const partial = onStage();
    partial.play(EVENTS.slice(0, EVENTS.findIndex((event) => event.kind === "flow_row") + 2));
    const early = matrixIn(partial.root, "matrix");
    early.dispatchEvent(new MouseEvent("pointermove", at(early, 2, 1)));
    expect(figure(partial.root, "matrix").textContent).toContain("not measured yet");
  });

  it("shows the cuts of one layer alone where these were made", () => {
    const { root, play, context } = onStage();
    const slider = () =>
      figure(root, "matrix").querySelector("input[type=range]") as HTMLInputElement;
    play(EVENTS);
    expect(slider().closest("label")?.hidden).toBe(true);
    const alone = [1, 3].flatMap((layer) =>
      [...ROWS.values()].map((row) => ({
        ...row,
        layer,
        delta_logprob: row.delta_logprob.map(() => -layer),
      })),
    );
    play(alone);
    expect(slider().closest("label")?.hidden).toBe(false);
    slider().value = "2";
    slider().dispatchEvent(new Event("input"));
    expect(context.state.get("cut")).toBe("2");
    const matrix = matrixIn(root, "matrix");
    matrix.dispatchEvent(new MouseEvent("pointermove", at(matrix, LAST, STRONGEST)));
    const text = figure(root, "matrix").textContent;
    expect(text).toMatch(/answer −3(\.0+)? nats/);
    expect(text).toContain("in layers 3, heads");
    slider().value = "0";
    slider().dispatchEvent(new Event("input"));
    expect(context.state.get("cut")).toBeNull();
    expect(figure(root, "matrix").textContent).toContain("Control: ");
  });

  it("lights up what is hovered in the text, on the reader's row", () => {
    const { root, context } = played();
    context.selection.hover({ kind: "position", index: startOf(2) });
    const crosshair = matrixIn(root, "matrix").querySelector(".crosshair");
    expect(crosshair?.getAttribute("visibility")).toBe("visible");
    expect(figure(root, "matrix").querySelector(".readout")?.textContent).toContain("cut: answer");
  });
});

describe("edges", () => {
  it("are chosen by a click and taken away by another", () => {
    const { root, context, said } = played();
    click(root, "matrix", LAST, STRONGEST);
    expect(rows(root)).toHaveLength(1);
    expect(get(context.selection).primary?.index).toBe(startOf(STRONGEST));
    const signs = () => [...matrixIn(root, "matrix").querySelectorAll("svg text")].filter((one) => one.textContent === "✕"); // prettier-ignore
    expect(signs()).toHaveLength(1);
    expect(said.at(-1)).toContain("1 edge chosen");
    click(root, "matrix", LAST, STRONGEST);
    expect(rows(root)).toHaveLength(0);
    expect(signs()).toHaveLength(0);
  });

  it("cannot be later than the reader", () => {
    const { root, said } = played();
    click(root, "matrix", 2, 4);
    click(root, "matrix", 3, 3);
    expect(rows(root)).toHaveLength(0);
    expect(said.at(-1)).toContain("only earlier tokens are attended to");
  });

  it("are chosen by keyboard alone: arrows and Enter, or x on a token", () => {
    const { root, context } = played();
    const matrix = matrixIn(root, "matrix");
    context.selection.choose({ kind: "position", index: startOf(3) });
    press(matrix, "ArrowRight");
    press(matrix, "Enter");
    expect(context.state.get("edges")).toContain(".");
    expect(rows(root)).toHaveLength(1);
    press(matrix, "x");
    expect(rows(root)).toHaveLength(0);
    press(document, "x");
    expect(rows(root)).toHaveLength(1); // the primary token's, to the reader
    press(document, "z", { ctrlKey: true });
    expect(rows(root)).toHaveLength(0);
    press(document, "z", { ctrlKey: true, shiftKey: true });
    expect(rows(root)).toHaveLength(1);
  });

  it("are cut by a run with the positions, layers and heads that were chosen", () => {
    const { root, reruns } = played();
    click(root, "matrix", LAST, STRONGEST);
    const [layers, heads] = rows(root)[0]?.querySelectorAll("input") ?? [];
    if (!layers || !heads) throw new Error("no fields");
    layers.value = "1-2, 4";
    layers.dispatchEvent(new Event("change"));
    heads.value = "0-3"; // all there are
    heads.dispatchEvent(new Event("change"));
    buttonIn(figure(root, "edges"), "Run with these cuts").click();
    const { start, end } = GROUPS.groups[STRONGEST] ?? { start: 0, end: 0 };
    const keys = Array.from({ length: end - start }, (_, i) => start + i);
    expect(reruns).toEqual([
      { edges: [{ queries: [startOf(LAST)], keys, layers: [1, 2, 4], heads: null }] },
    ]);
  });

  it("with layers that do not exist report it and change nothing", () => {
    const { root, context } = played();
    click(root, "matrix", LAST, STRONGEST);
    const before = context.state.get("edges");
    const input = rows(root)[0]?.querySelector("input") as HTMLInputElement;
    input.value = "3-5";
    input.dispatchEvent(new Event("change"));
    expect(input.getAttribute("aria-invalid")).toBe("true");
    expect(rows(root)[0]?.textContent).toContain("0 to 4");
    expect(context.state.get("edges")).toBe(before);
  });

  it("start from what the run cut, and nothing can be run until they differ", () => {
    const params = { ...facts.params, edges: EDIT.edges };
    const { root, context } = played({ facts: { ...facts, params } });
    expect(rows(root)).toHaveLength(EDIT.edges.length);
    expect(buttonIn(figure(root, "edges"), "Run with these cuts").hidden).toBe(true);
    expect(figure(root, "edges").textContent).toContain("as in this run");
    buttonIn(figure(root, "edges"), "Clear").click();
    expect(context.state.get("edges")).toBe("none");
    expect(buttonIn(figure(root, "edges"), "Run without cuts").hidden).toBe(false);
    buttonIn(figure(root, "edges"), "Undo").click();
    expect(context.state.get("edges")).toBeNull();
  });

  it("of a copied address are those that were chosen there", () => {
    const { root } = played({ state: { edges: `${startOf(LAST)}.${startOf(1)}.l2_5.<b>` } });
    expect(rows(root)).toHaveLength(1);
    expect(rows(root)[0]?.querySelector("input")?.value).toBe("2");
  });

  it("begin with the strongest", () => {
    const { root, context } = played();
    buttonIn(figure(root, "edges"), "Add the largest effect").click();
    expect(context.state.get("edges")).toMatch(new RegExp(`^${startOf(LAST)}\\.${startOf(STRONGEST)}`)); // prettier-ignore
  });
});

describe("the cut", () => {
  it("is compared with random cuts, every draw a mark", () => {
    const { root } = played();
    const cut = figure(root, "cut");
    expect(cut.querySelectorAll("circle")).toHaveLength(EDIT.control.draws.length);
    expect(cut.querySelector("svg[role=img]")?.getAttribute("aria-label")).toMatch(
      /Chosen edges: −[\d.]+ nats\. As many random edges: .+ \(standard deviation of \d+ draws\)/,
    );
    expect(cut.querySelectorAll(".strip-section")).toHaveLength(3);
  });

  it("is not there when nothing was cut", () => {
    const { play, root } = onStage();
    play(EVENTS.filter((event) => event.kind !== "edit"));
    expect(figure(root, "cut").hidden).toBe(true);
  });
});

describe("causal tracing", () => {
  const dimmed = (root: HTMLElement) =>
    matrixIn(root, "tracing").querySelector(".dimmed")?.getAttribute("d");

  it("shows a picked state's value and lights its cone; again releases it", () => {
    const { root, context, detail } = played();
    click(root, "tracing", 1, 3); // the last layer is on top
    expect(context.state.get("layer")).toBe("3");
    expect(dimmed(root)).toMatch(/z$/);
    const readout = figure(root, "tracing").querySelector(".readout")?.textContent;
    expect(readout).toMatch(
      /residual stream of layer 3 .* restores [+−]?[\d.e−]+ ± .* layers 4 to 4/,
    );
    expect(detail.textContent).toContain("residual stream of layer 3");
    click(root, "tracing", 1, 3);
    expect(dimmed(root)).toBeNull();
  });

  it("steps through layers and parts by key", () => {
    const { root, context } = played({ state: { token: String(startOf(2)), layer: "1" } });
    press(document, "]");
    expect(context.state.get("layer")).toBe("2");
    press(document, "[");
    press(document, "[");
    press(document, "[");
    expect(context.state.get("layer")).toBe("0");
    press(document, "}");
    expect(context.state.get("restored")).toBe("attention");
    expect(figure(root, "tracing").textContent).toContain("attention output of layer 0");
  });
});

describe("routes", () => {
  const edges = (root: HTMLElement) => [
    ...figure(root, "routes").querySelectorAll<SVGPathElement>("path.route"),
  ];

  it("are those that the run kept, until the threshold is moved", () => {
    const { root, context } = played();
    const { kept } = only<Routes>("routes")[0] as Routes;
    const bytes = Uint8Array.from(atob(kept.data ?? ""), (c) => c.charCodeAt(0));
    expect(edges(root)).toHaveLength(bytes.reduce((sum, one) => sum + one, 0));
    const slider = figure(root, "routes").querySelector("input") as HTMLInputElement;
    const before = edges(root).length;
    slider.value = slider.max;
    slider.dispatchEvent(new Event("input"));
    expect(edges(root).length).toBeLessThan(before);
    expect(Number(context.state.get("tau"))).toBeGreaterThan(0.04);
  });

  it("move with the arrows and darken what the token takes part in", () => {
    const { root, context } = played();
    const frame = figure(root, "routes").querySelector("[role=application]") as HTMLElement;
    press(frame, "ArrowRight");
    expect(get(context.selection).primary?.index).toBe(0);
    const first = new Set(Array.from({ length: GROUPS.groups[0]?.end ?? 0 }, (_, i) => String(i)));
    for (const edge of edges(root)) {
      const touches = first.has(edge.dataset.from ?? "") || first.has(edge.dataset.to ?? "");
      expect(edge.classList.contains("faint")).toBe(!touches);
    }
  });

  it("say which is contribution and which is causation", () => {
    const { root } = played();
    expect(figure(root, "routes").textContent).toContain("Contribution, not causal effect");
    const compared = figure(root, "agreement");
    expect([...compared.querySelectorAll("h3")].map((h) => h.textContent?.split(":")[0])).toEqual([
      "Contribution",
      "Causal effect",
    ]);
    expect(compared.textContent).toMatch(
      /Spearman\) of contribution and causal effect: −?[\d.]+ over \d+ groups/,
    );
  });
});

describe("keys and address", () => {
  it("p pins, Esc clears, and the address holds the tokens", () => {
    const { context } = played({ state: { token: "2" } });
    expect(get(context.selection).primary).toEqual({ kind: "position", index: 2 });
    press(document, "p");
    expect(context.state.get("pinned")).toBe("2");
    press(document, "Escape");
    expect(context.state.get("token")).toBeNull();
  });

  it("keys typed into a field are not ours", () => {
    const { root } = played({ state: { token: "1" } });
    click(root, "matrix", LAST, STRONGEST);
    press(rows(root)[0]?.querySelector("input") as HTMLElement, "x");
    expect(rows(root)).toHaveLength(1);
  });
});

it("shows hostile words as words", () => {
  const hostile = "<img src=x onerror=alert(1)>";
  const { play, root, detail } = onStage({ state: { token: "2", tables: "matrix,text" } });
  play(
    EVENTS.map((event) => {
      if (event.kind === "tokens") {
        return { ...event, tokens: event.tokens.map((token) => ({ ...token, text: hostile })) };
      }
      if (event.kind !== "groups") return event;
      const groups = event.groups.map((group) => ({ ...group, text: hostile }));
      return { ...event, groups, target_text: hostile };
    }),
  );
  expect(root.querySelector("img")).toBeNull();
  expect(detail.querySelector("img")).toBeNull();
  expect(root.textContent).toContain("<img");
});

it("leaves nothing behind when it is destroyed", () => {
  const { view, root, detail, context } = played({ state: { token: "1" } });
  view.destroy();
  expect(root.querySelector("figure")).toBeNull();
  expect(detail.childNodes).toHaveLength(0);
  press(document, "x");
  expect(context.state.get("edges")).toBeNull();
});
