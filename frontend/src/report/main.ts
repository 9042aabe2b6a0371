// The program of a report file. All it shows is in the file; it makes no requests.

import "../styles/base.css";
import type { PageReport } from "../gen/report";
import { openBlocks } from "./blocks";
import { filesOf, writeFiles } from "./figures";
import { createPage, type ReportPage } from "./page";
import { createTheme } from "./theme";
// After those of the views, which they change.
import "../styles/people.css";
import "../styles/sharing.css";
import "../styles/comments.css";
import "../styles/markdown.css";
import "../styles/report.css";
import "../styles/paper.css";

const SETTLED_MS = 500;

const root = document.getElementById("report");
if (root) start(root);

function start(root: HTMLElement): void {
  const blocks = openBlocks(document);
  const page = createPage(root, blocks.outline<PageReport>(), blocks, createTheme(document));
  if (location.hash === "#figures") void giveFigures(page);
  else if (location.hash === "#paper") page.paper();
  else {
    addEventListener("beforeprint", page.paper);
    addEventListener("afterprint", page.screen);
    // Once all is read, the browser's own Print finds every panel ready.
    addEventListener("load", () => setTimeout(() => void blocks.readAll(), SETTLED_MS));
  }
}

/** For a program that reads the page when it has loaded; needs data that are not zipped. */
async function giveFigures(page: ReportPage): Promise<void> {
  void page.openAll();
  const files = [];
  for (const { id, root } of page.drawn) files.push(...(await filesOf(root, id)));
  writeFiles(document, files);
}
