import { afterEach, expect, it } from "vitest";
import { createTable, type Table } from "../../src/pictures/table";

afterEach(() => document.body.replaceChildren());

const tableOf = (rows: number): Table => ({
  caption: "Tokens",
  columns: ["Position", "Token"],
  rows: Array.from({ length: rows }, (_, i) => [i + 1, `t${i}`]),
});

function stage(rows: number) {
  const root = document.body.appendChild(document.createElement("div"));
  const table = createTable(root);
  table.render(tableOf(rows));
  const first = () => root.querySelector("tbody td")?.textContent;
  const caption = () => root.querySelector("caption")?.textContent;
  const press = (text: string) =>
    [...root.querySelectorAll("button")].find((one) => one.textContent?.includes(text))?.click();
  const pages = root.querySelector(".table-pages") as HTMLElement;
  return { root, table, first, caption, press, pages };
}

it("has no pages up to 2,000 rows", () => {
  const { root, caption, pages } = stage(2000);
  expect(root.querySelectorAll("tbody tr")).toHaveLength(2000);
  expect([caption(), pages.hidden]).toEqual(["Tokens", true]);
});

it("reaches every row of a longer one, and keeps its page while it grows", () => {
  const { root, table, first, caption, press, pages } = stage(4500);
  expect([caption(), pages.hidden]).toEqual(["Tokens (rows 1 to 2,000 of 4,500)", false]);
  press("next rows");
  press("next rows");
  expect(first()).toBe("4,001");
  expect(root.querySelectorAll("tbody tr")).toHaveLength(500);
  table.render(tableOf(4600));
  expect(caption()).toBe("Tokens (rows 4,001 to 4,600 of 4,600)");
  press("Position");
  expect([first(), caption()]).toEqual(["4,600", "Tokens (rows 1 to 2,000 of 4,600)"]);
  table.render(tableOf(10));
  expect(caption()).toBe("Tokens");
});
