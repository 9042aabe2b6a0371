// Patterns drawn out as lines: printed as patterns they become pictures, large and slow.

const SVG = "http://www.w3.org/2000/svg";
const FILL = /^url\(#(.+)\)$/;

/** Every rectangle filled with a pattern of a ground and lines; others stay as they are. */
export function drawOutPatterns(picture: SVGSVGElement): void {
  const patterns = new Map([...picture.querySelectorAll("pattern")].map((one) => [one.id, one]));
  for (const [number, box] of [...picture.querySelectorAll("rect[fill^=url]")].entries()) {
    const id = FILL.exec(box.getAttribute("fill") ?? "")?.[1] ?? "";
    const pattern = patterns.get(id);
    if (pattern && !pattern.hasAttribute("patternTransform")) drawOut(box, pattern, number);
  }
}

function drawOut(box: Element, pattern: Element, number: number): void {
  const ground = pattern.querySelector("rect")?.getAttribute("fill");
  const strokes = pattern.querySelector("path");
  if (!ground || !strokes) return;
  box.setAttribute("fill", ground);
  const lines = strokes.cloneNode() as Element;
  lines.setAttribute("d", repeated(strokes.getAttribute("d") ?? "", sizeOf(pattern), box));
  const clip = document.createElementNS(SVG, "clipPath");
  clip.id = `drawn-out-${number}`;
  clip.append(box.cloneNode());
  const group = document.createElementNS(SVG, "g");
  group.setAttribute("clip-path", `url(#${clip.id})`);
  group.append(clip, lines);
  box.after(group);
}

const pixels = (node: Element, name: string) => Number(node.getAttribute(name) ?? 0);
const sizeOf = (node: Element) => [pixels(node, "width"), pixels(node, "height")] as const;

/** The path once for each tile that the box touches; each of its parts starts with M x,y. */
function repeated(path: string, [across, down]: readonly [number, number], box: Element): string {
  const [left, top] = [pixels(box, "x"), pixels(box, "y")];
  const [width, height] = sizeOf(box);
  const parts: string[] = [];
  for (let x = Math.floor(left / across) * across; x < left + width; x += across) {
    for (let y = Math.floor(top / down) * down; y < top + height; y += down) {
      parts.push(
        path.replace(/M(-?\d+),(-?\d+)/g, (_, a, b) => `M${Number(a) + x},${Number(b) + y}`),
      );
    }
  }
  return parts.join("");
}
