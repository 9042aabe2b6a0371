import { gzipSync } from "node:zlib";
import { describe, expect, it, vi } from "vitest";
import { openBlocks } from "../../src/report/blocks";
import { createFrames } from "../../src/report/frames";
import { drawOutPatterns } from "../../src/report/patterns";
import { createState, placeAddress, readPlace } from "../../src/report/state";
import { renderText } from "../../src/report/text";

const base64 = (text: string | Buffer) => Buffer.from(text).toString("base64");

function page(html: string): Document {
  return new DOMParser().parseFromString(html, "text/html");
}

describe("the blocks of a file", () => {
  const text = JSON.stringify([{ kind: "look", token: "</script>…" }]);

  it("are read at once where they are not zipped", () => {
    const blocks = openBlocks(
      page(`<script type="text/plain" id="events-1" data-kind="plain">${base64(text)}</script>`),
    );
    expect(blocks.json("events-1")).toEqual(JSON.parse(text));
  });

  it("are read once they are unzipped, and from then on at once", async () => {
    const zipped = base64(gzipSync(text));
    const blocks = openBlocks(
      page(`<script type="text/plain" id="file-ab" data-kind="gzip">${zipped}</script>`),
    );
    expect(blocks.file("ab")).toBeInstanceOf(Promise);
    await blocks.readAll();
    const bytes = blocks.file("ab") as ArrayBuffer;
    expect(new TextDecoder().decode(bytes)).toBe(text);
  });

  it("name the one that is missing", async () => {
    await expect(openBlocks(page("")).json("events-7")).rejects.toThrow("events-7");
  });
});

describe("the address of a panel", () => {
  it.each([
    [{ panel: 3, values: null }, "#panel-3"],
    [{ panel: 3, values: {} }, "#panel-3?"],
    [{ panel: 12, values: { token: "4", tables: "a,b", text: "é & =?" } }, null],
  ])("gives back what went in: %o", (place, address) => {
    const written = placeAddress(place);
    if (address) expect(written).toBe(address);
    expect(readPlace(written)).toEqual(place);
  });

  it.each(["", "#main", "#panel-", "#panel-x", "#panel-1x", "#figures"])("is none: %s", (hash) =>
    expect(readPlace(hash)).toBeNull(),
  );
});

describe("the state of a panel", () => {
  it("tells of changes alone", () => {
    const moved = vi.fn();
    const changed = vi.fn();
    const state = createState({ token: "1" }, moved);
    const stop = state.subscribe(changed);
    state.set("token", "1");
    state.set("layer", null);
    expect(moved).not.toHaveBeenCalled();
    state.set("token", null);
    state.set("layer", "2");
    stop();
    state.set("head", "0");
    expect(moved.mock.calls.map(([now]) => now)).toEqual([
      {},
      { layer: "2" },
      { layer: "2", head: "0" },
    ]);
    expect(changed).toHaveBeenCalledTimes(2);
  });
});

it("draws at once what waits for a frame, and what that asks for", () => {
  const { frame, flush } = createFrames();
  const drawn: string[] = [];
  frame(() => {
    drawn.push("first");
    frame(() => drawn.push("second"));
  });
  flush();
  expect(drawn).toEqual(["first", "second"]);
});

it("leaves a text that Markdown might take long to read as it was written", () => {
  const long = "[".repeat(30_000);
  const node = renderText(long);
  expect(node?.textContent).toBe(long);
  expect(node?.children).toHaveLength(0);
  expect(renderText("> ".repeat(5000))?.className).toContain("plain");
  expect(renderText("*b* <img src=x onerror=alert(1)>")?.innerHTML).toBe(
    "<p><em>b</em> &lt;img src=x onerror=alert(1)&gt;</p>\n",
  );
  expect(renderText(" \n")).toBeNull();
});

it("draws patterns out as lines on their ground, within the box alone", () => {
  const holder = document.createElement("div");
  holder.innerHTML = `<svg><defs>
    <pattern id="p" width="6" height="6"><rect width="6" height="6" fill="#abc"/>
    <path d="M3,0 v6" stroke="#fff"/></pattern>
    <pattern id="turned" patternTransform="rotate(45)" width="5" height="5"><rect fill="#000"/></pattern>
    </defs><rect class="a" x="5" y="7" width="8" height="5" fill="url(#p)"/>
    <rect class="b" fill="url(#turned)"/></svg>`;
  const svg = holder.querySelector("svg") as SVGSVGElement;
  drawOutPatterns(svg);
  const box = svg.querySelector("rect.a") as Element;
  expect(box.getAttribute("fill")).toBe("#abc");
  const group = box.nextElementSibling as Element;
  expect(group.querySelector("path")?.getAttribute("d")).toBe("M3,6 v6M9,6 v6M15,6 v6");
  const clip = group.querySelector("clipPath") as Element;
  expect(group.getAttribute("clip-path")).toBe(`url(#${clip.id})`);
  expect(svg.querySelector("rect.b")?.getAttribute("fill")).toBe("url(#turned)");
});
