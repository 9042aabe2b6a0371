// Patches that a pointer's way over the picture means, by tool.

export const TOOLS = ["brush", "rectangle", "lasso"] as const;
export type Tool = (typeof TOOLS)[number];

/** The patches on the straight way from one to another, both ends included. */
export function cellsBetween(from: number, to: number, columns: number): number[] {
  const [x, y] = [from % columns, Math.floor(from / columns)];
  const [across, down] = [(to % columns) - x, Math.floor(to / columns) - y];
  const steps = Math.max(Math.abs(across), Math.abs(down), 1);
  return Array.from({ length: steps + 1 }, (_, i) => {
    const [dx, dy] = [Math.round((i * across) / steps), Math.round((i * down) / steps)];
    return (y + dy) * columns + x + dx;
  });
}

/** All patches along a pointer's path; `way`: those of its events, in order. */
export function cellsOf(tool: Tool, way: readonly number[], columns: number): number[] {
  const [first] = way;
  const last = way.at(-1);
  if (first === undefined || last === undefined) return [];
  if (tool === "rectangle") return rectangle(first, last, columns);
  const touched = outline(way, columns);
  if (tool === "brush") return [...touched];
  for (const cell of cellsBetween(last, first, columns)) touched.add(cell);
  return enclosed(touched, columns);
}

function outline(way: readonly number[], columns: number): Set<number> {
  const touched = new Set(way);
  way.slice(1).forEach((cell, i) => {
    for (const one of cellsBetween(way[i] ?? cell, cell, columns)) touched.add(one);
  });
  return touched;
}

function rectangle(from: number, to: number, columns: number): number[] {
  const [x1 = 0, x2 = 0] = [from % columns, to % columns].sort((a, b) => a - b);
  const rows = [Math.floor(from / columns), Math.floor(to / columns)];
  const [y1 = 0, y2 = 0] = rows.sort((a, b) => a - b);
  return Array.from({ length: (x2 - x1 + 1) * (y2 - y1 + 1) }, (_, i) => {
    const wide = x2 - x1 + 1;
    return (y1 + Math.floor(i / wide)) * columns + x1 + (i % wide);
  });
}

/** The line and what cannot be left without crossing it; steps go to the four sides. */
function enclosed(line: ReadonlySet<number>, columns: number): number[] {
  const rows = Math.floor(Math.max(...line) / columns) + 1;
  const wide = columns + 2; // one patch of outside around all
  const tall = rows + 2;
  const padded = (cell: number) => (Math.floor(cell / columns) + 1) * wide + (cell % columns) + 1;
  const closed = new Set([...line].map(padded));
  const outside = new Set([0]);
  const waiting = [0];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const next of besides(at, wide, tall)) {
      if (outside.has(next) || closed.has(next)) continue;
      outside.add(next);
      waiting.push(next);
    }
  }
  const all = Array.from({ length: rows * columns }, (_, cell) => cell);
  return all.filter((cell) => !outside.has(padded(cell)));
}

function besides(at: number, wide: number, tall: number): number[] {
  const x = at % wide;
  const sides = [x > 0 ? at - 1 : -1, x < wide - 1 ? at + 1 : -1, at - wide, at + wide];
  return sides.filter((one) => one >= 0 && one < wide * tall);
}
