// Ways of curves between boxes: through the gaps of the columns that lie between, under no box.

export type Point = readonly [number, number];

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A part of a way, level at both ends; `passing`: through a gap between two boxes. */
export interface Leg {
  from: Point;
  to: Point;
  passing: boolean;
}

const middle = ({ y, height }: Box) => y + height / 2;
const APART = 5; // pixels between curves of one gap
const BEFORE = 6; // a curve is level so far before a box and behind it

/** Routes through the same columns; curves that share a gap are drawn side by side. */
export function createRouter(boxes: readonly Box[], gap: number) {
  const used = new Map<number, number>();
  const columns = [...new Set(boxes.map(({ x }) => x))].sort((a, b) => a - b);

  /** From the right of one box to the left of a later one; `thick`: width of the curve. */
  return function route(from: Box, to: Box, thick: number): Leg[] {
    const end: Point = [to.x, middle(to)];
    const legs: Leg[] = [];
    let at: Point = [from.x + from.width, middle(from)];
    for (const x of columns.filter((one) => one > from.x && one < to.x)) {
      const column = boxes.filter((box) => box.x === x);
      const wide = Math.max(...column.map(({ width }) => width));
      const share = (x + wide / 2 - at[0]) / (end[0] - at[0]);
      const y = lane(column, at[1] + share * (end[1] - at[1]), thick);
      const [left, right]: [Point, Point] = [
        [x - BEFORE, y],
        [x + wide + BEFORE, y],
      ];
      legs.push({ from: at, to: left, passing: false }, { from: left, to: right, passing: true });
      at = right;
    }
    return [...legs, { from: at, to: end, passing: false }];
  };

  /** The gap nearest to the wished height, and the free place in it. */
  function lane(column: readonly Box[], wished: number, thick: number): number {
    const sorted = [...column].sort((a, b) => a.y - b.y);
    const gaps = sorted.map(({ y }) => y - gap / 2);
    const last = sorted.at(-1);
    if (last) gaps.push(last.y + last.height + gap / 2);
    const y = gaps.reduce((a, b) => (Math.abs(b - wished) < Math.abs(a - wished) ? b : a));
    const key = (sorted[0]?.x ?? 0) * 10_000 + y;
    const before = used.get(key) ?? 0;
    used.set(key, before + 1);
    const most = Math.max(0, gap / 2 - thick / 2 - 1);
    const away = Math.ceil(before / 2) * APART * (before % 2 ? 1 : -1);
    return y + Math.max(-most, Math.min(most, away));
  }
}

/** A point of a leg, at a share of its way across. */
export function pointOf({ from, to }: Leg, share: number): Point {
  const rise = 3 * share ** 2 - 2 * share ** 3;
  return [from[0] + share * (to[0] - from[0]), from[1] + rise * (to[1] - from[1])];
}

/** Levels of a third keep x and share in step, so that `pointOf` lies on the curve. */
export function pathOf(legs: readonly Leg[]): string {
  const [first] = legs;
  if (!first) return "";
  const parts = legs.map(({ from, to }) => {
    const reach = (to[0] - from[0]) / 3;
    return `C${from[0] + reach},${from[1]} ${to[0] - reach},${to[1]} ${to[0]},${to[1]}`;
  });
  return `M${first.from[0]},${first.from[1]} ${parts.join(" ")}`;
}

const SHARES = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74];

/** Where a label of this size lies on the way: on no box and no other label, if there is room. */
export function labelPlace(
  legs: readonly Leg[],
  [width, height]: readonly [number, number],
  taken: readonly Box[],
): Box {
  const open = legs.filter(({ passing }) => !passing);
  const places = open.flatMap((leg) =>
    SHARES.map((share): Box => {
      const [x, y] = pointOf(leg, share);
      return { x: x - width / 2, y: y - height / 2, width, height };
    }),
  );
  const costs = places.map((place) =>
    taken.reduce((sum, other) => sum + sharedArea(place, other), 0),
  );
  const best = costs.indexOf(Math.min(...costs));
  return places[best] ?? { x: 0, y: 0, width, height };
}

export function sharedArea(a: Box, b: Box): number {
  const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return across > 0 && down > 0 ? across * down : 0;
}
