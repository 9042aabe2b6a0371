import { describe, expect, it } from "vitest";
import { renderCard } from "../../src/base/card";

function html(markdown: string): string {
  const box = document.createElement("div");
  box.append(renderCard(markdown) ?? "plain");
  return box.innerHTML;
}

describe("renderCard", () => {
  it("shows tables, lists and emphasis, its headings below those of the page", () => {
    const shown = html("# Name\n\n- **one**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n");
    expect(shown).toContain("<h3>Name</h3>");
    expect(shown).toContain("<strong>one</strong>");
    expect(shown).toContain("<td>2</td>");
    expect(shown).toMatch(/tabindex="0"[^>]*><table>/);
  });

  it.each([
    "<script>window.hacked = 1</script>",
    "<img src=x onerror=alert(1)>",
    "![picture](https://example.org/pixel.png)",
    "<p style='position:fixed' onclick='x()'>over</p>",
    "<form action=https://example.org><input name=q></form>",
    "<iframe src=https://example.org></iframe>",
    "[link](javascript:alert(1))",
    "[link](data:text/html,x)",
    "<svg><a href='javascript:x'>y</a></svg>",
  ])("leaves out what acts or fetches: %s", (tricky) => {
    const shown = html(tricky);
    expect(shown).not.toMatch(/<(script|img|form|input|iframe|svg|style)/i);
    expect(shown).not.toMatch(/javascript:|data:|style=|on\w+=/i);
  });

  it("keeps links to other pages, which learn nothing of their origin", () => {
    expect(html("[paper](https://example.org/a)")).toContain(
      '<a href="https://example.org/a" rel="noreferrer nofollow">paper</a>',
    );
  });

  it("shows the mark-up of a code sample as text", () => {
    expect(html("`<b>x</b>`")).toContain("<code>&lt;b&gt;x&lt;/b&gt;</code>");
  });

  it.each([
    [">".repeat(4000), "quotes"],
    ["> ".repeat(200) + "a", "quotes with spaces"],
    ["- ".repeat(200) + "a", "lists"],
    ["1. ".repeat(200) + "a", "numbered lists"],
    ["> - 1) ".repeat(60) + "a", "all three"],
    ["_a".repeat(90_000), "emphasis that never closes"],
  ])("leaves as plain text what would stop the page: %#", (markdown) => {
    expect(renderCard(`# Name\n\n${markdown}\n`)).toBeNull();
  });

  it("reads long cards of usual paragraphs, and long tables", () => {
    expect(html(`Some *text* ${"and more ".repeat(400)}.\n\n`.repeat(20))).toContain(
      "<em>text</em>",
    );
    expect(html("|a|b|\n|-|-|\n" + `|1|2${" and more".repeat(100)}|\n`.repeat(20))).toContain(
      "<td>2 and",
    );
  });
});
