import { describe, expect, it } from "vitest";
import { coneOf, inCone } from "../../../src/views/information_flow/text/cone";
import {
  changedAt,
  decode,
  encode,
  numbersText,
  readNumbers,
  readSome,
  toggled,
  type Edge,
} from "../../../src/views/information_flow/text/edges";
import { routesAt } from "../../../src/views/information_flow/text/graph";
import { begin, edit, redone, undone } from "../../../src/views/information_flow/text/history";
import type { RouteMap } from "../../../src/views/information_flow/text/state";

const edge = (queries: number[], keys: number[], more: Partial<Edge> = {}): Edge => ({
  queries,
  keys,
  layers: null,
  heads: null,
  ...more,
});

describe("edges", () => {
  it("are added, kept in reading order, and taken away whatever their layers", () => {
    const [late, early] = [edge([9], [2]), edge([7], [1])];
    const both = toggled(toggled([], late), early);
    expect(both).toEqual([early, late]);
    const narrowed = changedAt(both, { ...late, layers: [1, 2] });
    expect(narrowed[1]?.layers).toEqual([1, 2]);
    expect(toggled(narrowed, late)).toEqual([early]);
  });

  it("survive the address, whatever they hold", () => {
    const edges = [
      edge([7], [0, 1, 2, 5]),
      edge([8, 9], [3], { layers: [0, 1, 4], heads: [2] }),
      edge([12], [11], { heads: [0, 1, 3] }),
    ];
    const text = encode(edges);
    expect(new URLSearchParams({ edges: text }).toString()).toBe(`edges=${text}`); // nothing escaped
    expect(decode(text)).toEqual(edges);
    expect(decode(encode([]))).toEqual([]);
  });

  it("that no one could have written are left out", () => {
    expect(decode("5.3_x_7_4-2.1_99999.1_6.2.l_<b>.2")).toEqual([edge([5], [3])]);
  });
});

describe("numbers in a field", () => {
  it("are written as ranges and read back", () => {
    expect(numbersText([0, 1, 2, 4, 7, 8])).toBe("0-2, 4, 7-8");
    expect(readNumbers(" 0 - 2, 4,7–8", 9)).toEqual([0, 1, 2, 4, 7, 8]);
    expect(readNumbers("4, 2, 2-3", 9)).toEqual([2, 3, 4]);
  });

  it("mean all when empty or complete", () => {
    expect(readSome("  ", 4)).toBeNull();
    expect(readSome("0-3", 4)).toBeNull();
    expect(readSome("0-2", 4)).toEqual([0, 1, 2]);
  });

  it.each(["4", "3-1", "a", "1,,2", "-1", "1.5", "1;2"])("refuse %s of four", (text) => {
    expect(readSome(text, 4)).toBeUndefined();
  });
});

it("undo and redo walk the same states, and an edit forgets what was undone", () => {
  let history = edit(edit(begin("a"), "b"), "c");
  history = undone(undone(undone(history)));
  expect(history.now).toBe("a");
  expect(redone(history).now).toBe("b");
  const changed = edit(redone(history), "d");
  expect(redone(changed).now).toBe("d");
  expect(undone(changed).now).toBe("b");
});

describe("the causal cone", () => {
  it("is drawn as the cells that it holds, each once", () => {
    const [layers, columns] = [5, 7];
    for (let layer = 0; layer < layers; layer++) {
      for (let column = 0; column < columns; column++) {
        const drawn = new Set<string>();
        for (const region of coneOf(layer, column, layers, columns)) {
          for (let row = region.row; row < region.row + region.rows; row++) {
            for (let at = region.column; at < region.column + region.columns; at++) {
              const cell = `${layers - 1 - row}/${at}`;
              expect(drawn.has(cell)).toBe(false);
              drawn.add(cell);
            }
          }
        }
        for (let l = 0; l < layers; l++) {
          for (let c = 0; c < columns; c++) {
            expect(drawn.has(`${l}/${c}`)).toBe(inCone(l, c, { layer, column }));
          }
        }
      }
    }
  });
});

describe("routes", () => {
  // Two layers, three tokens; 2 reads 1 in the last layer, 1 reads 0 in the first.
  const routes = (mlp = 0.5): RouteMap => ({
    event: {} as RouteMap["event"],
    layer: [1, 1, 0, 0],
    query: [2, 2, 1, 2],
    key: [1, 2, 0, 0],
    importance: [0.4, 0.1, 0.3, 0.05],
    head: [0, 1, 2, 3],
    layers: 2,
    positions: 3,
    attentionResidual: new Array(6).fill(0.2),
    mlp: new Array(6).fill(mlp),
    mlpResidual: new Array(6).fill(0.01),
  } as unknown as RouteMap); // prettier-ignore

  it("go down from the answer along every part that is large enough", () => {
    const { edges, nodes } = routesAt(routes(), 0.15, [2]);
    expect(edges).toEqual([0, 2]); // largest first; the small edges are no route
    expect([...nodes]).toEqual([1, 1, 1, 0, 1, 1, 0, 0, 1]);
  });

  it("leave out edges that the answer does not reach", () => {
    const { edges, nodes } = routesAt(routes(), 0.35, [2]);
    expect(edges).toEqual([0]);
    expect([...nodes]).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 1]);
  });

  it("end where nothing passes the MLP", () => {
    expect(routesAt(routes(0.02), 0.15, [2]).edges).toEqual([]);
  });
});
