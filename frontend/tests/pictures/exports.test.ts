import { describe, expect, it } from "vitest";
import written from "../../../workbench/gen/csv.json";
import { FORMULA_SIGNS } from "../../src/gen/csv";
import { toCsv, toSvg } from "../../src/pictures/export";
import { spoken, visible, visibleParts } from "../../src/pictures/glyphs";
import type { Writable } from "svelte/store";
import { createFigure } from "../../src/pictures/figure";
import { checkWarning, provenance } from "../../src/pictures/provenance";
import { toPython } from "../../src/pictures/python";
import { createSheet } from "../../src/pictures/sheet";
import type { RunFacts } from "../../src/view/view";
import { FACTS, stage } from "../stage";

const table = (cells: (string | number | null)[]) => ({
  caption: "",
  columns: ["a"],
  rows: [cells],
});
const csvOf = (...cells: (string | number | null)[]) => toCsv(table(cells)).split("\r\n")[1];

describe("CSV", () => {
  it("quotes what would break a row", () => {
    expect(csvOf('say "ball", now', "two\nlines")).toBe('"say ""ball"", now","two\nlines"');
  });

  it("takes what a formula begins with from the server", () => {
    expect(FORMULA_SIGNS).toBe(written.formula_signs);
    for (const sign of "=+-@\t\r\n＝＋－＠") expect(FORMULA_SIGNS).toContain(sign);
  });

  it.each([...FORMULA_SIGNS].flatMap((sign) => [sign, `${sign}1+1`]))(
    "disarms the formula %j",
    (text) => {
      const cell = csvOf(text);
      expect(cell?.replace(/^"/, "").startsWith("'")).toBe(true);
    },
  );

  it("leaves numbers alone, negative ones too, and empties what is missing", () => {
    expect(csvOf(-0.25, null, 3)).toBe("-0.25,,3");
  });

  it("keeps a leading space, which is part of a token", () => {
    expect(csvOf(" ball")).toBe('" ball"');
  });
});

describe("SVG", () => {
  it("escapes whatever a token holds", () => {
    const sheet = createSheet("</title><script>alert(1)</script>", "light", FACTS);
    sheet.body.append("text").text('<script>alert("x")</script>&');
    const svg = toSvg(sheet.finish(400, 100));
    expect(svg).not.toContain("<script");
    expect(svg).toContain("&lt;script&gt;");
    const read = new DOMParser().parseFromString(svg, "image/svg+xml");
    expect(read.querySelector("parsererror")).toBeNull();
    expect(read.querySelector("script")).toBeNull();
  });

  it("is self-contained even where a token is a control character", () => {
    const sheet = createSheet("T", "light", FACTS);
    sheet.body.append("text").text("\u0016 \ud800 \uffff 👩");
    const svg = toSvg(sheet.finish(400, 100));
    const read = new DOMParser().parseFromString(svg, "image/svg+xml");
    expect(read.querySelector("parsererror")).toBeNull();
    expect(svg).toContain("\ufffd \ufffd \ufffd 👩");
  });

  it("holds its own background, size and provenance", () => {
    const svg = createSheet("T", "dark", FACTS).finish(400, 100);
    expect(svg.querySelector("rect")?.getAttribute("fill")).toBe("#15181e");
    expect(Number(svg.getAttribute("width"))).toBeGreaterThan(400);
    expect(svg.textContent).toContain("tiny-llama@01234567");
  });
});

describe("a figure of a model that failed its self-check", () => {
  const info = {
    dtype: "bfloat16",
    attention: "eager",
    attention_reason: "SDPA differs by 2e-01",
    self_check: {
      passed: false,
      max_abs_difference: 0.25,
      max_abs_difference_fast: 0.5,
      tolerance: 0.1,
      tokens: 12,
      message: "",
    },
  } as unknown as NonNullable<RunFacts["info"]>;
  const failed: RunFacts = { ...FACTS, info, dtype: "bfloat16" };
  const told =
    "The self-check of tiny-llama failed: largest difference 0.500, tolerance 0.100. " +
    "The numbers may be wrong.";

  it("warns in the picture that is taken away", () => {
    const text = (facts: RunFacts) =>
      [...createSheet("T", "light", facts).finish(900, 100).querySelectorAll("text")]
        .map(({ textContent }) => textContent)
        .join(" ");
    expect(text(failed)).toContain(told);
    expect(text(FACTS)).not.toContain("wrong");
    const passed = { ...info, self_check: { ...info.self_check, passed: true } } as typeof info;
    expect(checkWarning({ ...failed, info: passed })).toBe("");
  });

  it("warns beside the picture", () => {
    const { context } = stage();
    (context.run as Writable<RunFacts>).set(failed);
    const root = document.createElement("div");
    const figure = createFigure(root, "T", "t", context);
    expect(root.querySelector(".check-failed:not([hidden])")?.textContent).toBe(told);
    (context.run as Writable<RunFacts>).set(FACTS);
    expect(root.querySelector(".check-failed:not([hidden])")).toBeNull();
    figure.destroy();
  });

  it("tells dtype and attention, and gives the dtype to Python", () => {
    expect(provenance(failed)).toContain(
      "bfloat16 (chosen) · eager attention (SDPA differs by 2e-01)",
    );
    expect(provenance({ ...failed, dtype: "auto" })).toContain("· bfloat16 · eager");
    expect(toPython(failed)).toContain(', dtype="bfloat16"):');
    expect(toPython(FACTS)).not.toContain("dtype");
  });
});

describe("hidden characters", () => {
  it("shows spaces, line ends and direction marks", () => {
    expect(visible(" a\tb\n")).toBe("·a⇥b↵");
    expect(visible("\u202eevil\u202c")).toBe("U+202EevilU+202C");
    expect(visible("\u200b\ufeff\ud800")).toBe("U+200BU+FEFFU+D800");
  });

  it("leaves letters of any script and emoji sequences whole", () => {
    for (const text of ["שלום", "مرحبا", "日本", "👩\u200d🔬"]) {
      expect(visibleParts(text)).toEqual([{ text, kind: "text" }]);
    }
  });

  it("has words for what cannot be seen", () => {
    expect([" ", "\n", "", " ball", "\u202ea b"].map(spoken)).toEqual([
      "space",
      "line end",
      "empty",
      "ball",
      "U+202Ea b",
    ]);
  });
});

describe("copy as Python", () => {
  it("gives the exact call, without what equals the default", () => {
    const params = { ...FACTS.params, probes: 512, stop_early: false };
    expect(toPython({ ...FACTS, params })).toBe(
      "import analysis\n\n" +
        'for event in analysis.run("reagent", model="tiny-llama", params={\n' +
        '    "prompt": "Anna has the ball.",\n' +
        '    "seed": 3,\n' +
        '    "stop_early": False,\n' +
        "}):\n    print(event)\n",
    );
  });

  it("reads an uploaded picture from the file that the page gives", () => {
    const picture = "0a".repeat(32);
    const python = toPython({ ...FACTS, params: { picture, question: "Where?" } });
    expect(python).toContain(`# /api/pictures/${picture}.png\nfiles = ["${picture}.png"]\n`);
    expect(python).toContain("}, pictures=pictures):\n    print(event)\n");
  });

  it("keeps quotes, line ends and direction marks as escapes", () => {
    const python = toPython({ ...FACTS, params: { prompt: 'a "b"\n\u202ec' } });
    expect(python).toContain('"a \\"b\\"\\n\\u202ec"');
  });
});

it("says in one line where a picture comes from", () => {
  expect(provenance(FACTS)).toBe(
    "tiny-llama@01234567 · reagent v1 · prompt Anna has the ball. · probes 96 · seed 3 · " +
      "2026-01-02 03:04 · self-check: not run",
  );
});

it("says how large a difference rounding alone makes, where the model's check measured it", () => {
  const check = { passed: true, max_abs_difference: 0.0625, rounding_nats: 0.05 };
  const info = { dtype: "bfloat16", self_check: check } as unknown as typeof FACTS.info;
  const line = provenance({ ...FACTS, info });
  expect(line).toContain("bfloat16");
  expect(line).toMatch(/self-check passed .* · differences up to 0\.05\d* nats are rounding$/);
});

it("says what generation_config asks, and what of it the run does", () => {
  const line = (brings: object) => {
    const info = { dtype: "float32", brings } as unknown as typeof FACTS.info;
    return provenance({ ...FACTS, info });
  };
  const generation = { repetition_penalty: 1.05, num_beams: 4 };
  const told = { applied: { repetition_penalty: 1.05 }, not_applied: { num_beams: 4 } };
  expect(line({ generation, ...told })).toContain(
    "generation_config applied: repetition_penalty 1.05; not applied: num_beams 4 · ",
  );
  expect(line({ generation })).toContain(
    "generation_config asks: repetition_penalty 1.05, num_beams 4 · ",
  );
  expect(line({ generation, applied: {}, not_applied: {} })).not.toContain("generation_config");
});
