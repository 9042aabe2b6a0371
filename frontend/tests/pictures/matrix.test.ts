import { afterEach, describe, expect, it } from "vitest";
import { select } from "d3-selection";
import { diverging, faint, PALETTES } from "../../src/pictures/colour";
import type { Group } from "../../src/pictures/layer";
import { drawLineChart } from "../../src/pictures/lineChart";
import { createMatrix } from "../../src/pictures/matrix";
import { packed, pixels, type CellAt, type Matrix } from "../../src/pictures/matrixPixels";

afterEach(() => document.body.replaceChildren());

const scale = diverging(1, "light");
const MATRIX: Matrix = {
  rows: ["a", "b", "c"],
  columns: ["a", "b", "c"],
  values: new Float64Array(9),
  masked: new Uint8Array(9),
  scales: [scale, scale, scale],
  theme: "light",
};

function onPage() {
  const root = document.body.appendChild(document.createElement("div"));
  const said: [string, CellAt | null][] = [];
  const picture = createMatrix(root, "Matrix", {
    hover: (cell) => said.push(["hover", cell]),
    choose: (cell) => said.push(["choose", cell]),
    press: (cell) => said.push(["press", cell]),
  });
  picture.render(MATRIX);
  const node = root.querySelector(".matrix") as HTMLElement;
  const canvas = root.querySelector("canvas") as HTMLElement;
  const at = ({ row, column }: CellAt) => ({
    clientX: parseFloat(canvas.style.left) + 30 * (column + 0.5),
    clientY: parseFloat(canvas.style.top) + 24 * (row + 0.5),
  });
  const press = (key: string) =>
    node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  return { root, said, picture, node, at, press };
}

describe("a cell that can be pressed", () => {
  it("is pressed by a click, also where no pointer moved before it", () => {
    const { node, at, said } = onPage();
    node.dispatchEvent(new MouseEvent("click", at({ row: 2, column: 1 })));
    expect(said).toEqual([["press", { row: 2, column: 1 }]]);
  });

  it("is reached by arrows and pressed by Enter, space and x", () => {
    const { picture, press, said } = onPage();
    press("x");
    expect(said).toEqual([]); // nothing is primary yet
    press("ArrowDown");
    expect(said.pop()).toEqual(["choose", { row: 0, column: 0 }]);
    picture.mark({ hover: null, primary: { row: 1, column: 2 } });
    press("ArrowLeft");
    for (const key of ["Enter", " ", "x", "y"]) press(key);
    const pressed = ["press", { row: 1, column: 1 }]; // before it is drawn as primary
    expect(said).toEqual([["choose", { row: 1, column: 1 }], pressed, pressed, pressed]);
  });
});

it("dims all but the lit cells", () => {
  const { picture, root } = onPage();
  const dimmed = () => root.querySelector(".dimmed")?.getAttribute("d");
  picture.mark({ hover: null, primary: null, lit: [{ row: 0, column: 1, rows: 2, columns: 2 }] });
  expect(dimmed()).toMatch(/h90v72h-90z.*h60v48h-60z$/);
  picture.mark({ hover: null, primary: null });
  expect(dimmed()).toBeNull();
});

describe("a line chart over whole steps", () => {
  const draw = (steps: [number, number], zero?: string) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const group = select(svg).append("g") as Group;
    const points = [0, 1, 2].map((x) => ({ x, y: -x, error: 0 }));
    const line = { key: "a", label: "a", note: "", points, slot: 0 };
    drawLineChart(group, { title: "t", xLabel: "x", yLabel: "y", lines: [line], theme: "light", steps, zero }, 400); // prettier-ignore
    return svg;
  };

  it("numbers them and dots each point", () => {
    const svg = draw([0, 2]);
    const ticks = [...svg.querySelectorAll(".x-axis .tick text")].map((one) => one.textContent);
    expect(ticks).toEqual(["0", "1", "2"]);
    expect(svg.querySelectorAll("circle")).toHaveLength(3);
    expect(svg.querySelector(".zero line")).toBeNull();
  });

  it("says what zero means, at the height of the first point", () => {
    const svg = draw([0, 2], "nothing cut");
    const zero = svg.querySelector(".zero > g");
    expect(zero?.textContent).toBe("nothing cut");
    const y = Number(svg.querySelector("circle")?.getAttribute("cy"));
    expect(zero?.getAttribute("transform")).toBe(`translate(0,${y})`);
  });

  it("draws a single step without a number that is not one", () => {
    expect(draw([1, 1]).outerHTML).not.toContain("NaN");
  });
});

describe("a faded cell", () => {
  it("is drawn faint, and only it; a cell without a score keeps its check", () => {
    const values = Float64Array.from({ length: 9 }, () => 1);
    const faded = Uint8Array.from([0, 1, 1, 0, 0, 0, 0, 0, 0]);
    const masked = Uint8Array.from([0, 0, 1, 0, 0, 0, 0, 0, 0]);
    const [full, pale, checked] = pixels({ ...MATRIX, values, masked, faded });
    expect(full).toBe(packed(scale.colour(1)));
    expect(pale).toBe(packed(faint(scale.colour(1), "light")));
    expect(checked).not.toBe(pale);
    expect(pixels({ ...MATRIX, values })[1]).toBe(full);
  });

  it.each(["light", "dark"] as const)("lies between the %s page and the fill", (theme) => {
    const fill = diverging(1, theme).colour(1);
    const pale = faint(fill, theme);
    expect(pale).not.toBe(fill);
    expect(pale).not.toBe(PALETTES[theme].background);
  });
});
