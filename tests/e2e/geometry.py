"""Whether SVG is drawn where its attributes say, whatever the style sheets of the page hold."""

from typing import cast

from playwright.sync_api import Page

# A rule such as `.tile { width: 94px }` wins over the attribute of an element of that class.
MISPLACED = """() => {
  const wrong = [];
  for (const node of document.querySelectorAll("svg image, svg rect[width], svg circle[r]")) {
    const box = node.getBBox();
    const value = (name) => Number(node.getAttribute(name) ?? 0);
    const written = node.tagName === "circle"
      ? [value("cx") - value("r"), value("cy") - value("r"), 2 * value("r"), 2 * value("r")]
      : [value("x"), value("y"), value("width"), value("height")];
    const matrix = node.getScreenCTM();
    if (!matrix || !node.checkVisibility() || written.some(Number.isNaN)) continue;
    const scale = Math.max(Math.abs(matrix.a), Math.abs(matrix.d));
    const drawn = [box.x, box.y, box.width, box.height];
    const off = Math.max(...written.map((at, i) => Math.abs(at - drawn[i]))) * scale;
    if (off > 0.5) wrong.push(`${node.outerHTML.slice(0, 90)} is drawn at ${drawn}, ${off} px off`);
  }
  return wrong;
}"""
# The picture, its map and the whole frame: (left, top, right, bottom) on the screen.
SCENE = """() => [...document.querySelectorAll(".scene-map")].map((svg) =>
  [svg.querySelector("image.scene-picture"), svg.querySelector("image.scene-heat"), svg]
    .map((node) => node.getBoundingClientRect())
    .map((box) => [box.left, box.top, box.right, box.bottom]))"""


def misplaced(page: Page) -> list[str]:
    """SVG shapes that are drawn more than half a pixel from where their attributes put them."""
    return cast(list[str], page.evaluate(MISPLACED))


def picture_fills_its_frame(page: Page) -> None:
    """The picture of each scene lies exactly in its frame (border 1 px), and its map inside it."""
    scenes = page.evaluate(SCENE)
    assert scenes
    for picture, heat, frame in scenes:
        border = (1, 1, -1, -1)
        inner = [at + width for at, width in zip(frame, border, strict=True)]
        assert max(abs(a - b) for a, b in zip(picture, inner, strict=True)) <= 0.5
        assert heat[0] >= picture[0] - 0.5
        assert heat[1] >= picture[1] - 0.5
        assert heat[2] <= picture[2] + 0.5
        assert heat[3] <= picture[3] + 0.5
