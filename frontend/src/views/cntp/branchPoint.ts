// One branch point: the prefix tree of its trials, a table of their scores, and the vote.

import { counted } from "../../base/plural";
import { get } from "svelte/store";
import { select } from "d3-selection";
import type { Fork } from "../../gen/cntp";
import { createBars, type BarChart } from "../../pictures/bars";
import { element, quotedToken } from "../../pictures/dom";
import { createFigure, type FigureSource } from "../../pictures/figure";
import { visible } from "../../pictures/glyphs";
import { drawKey, renderLegend, type Legend } from "../../pictures/legend";
import type { Group } from "../../pictures/layer";
import { showNumber, showSigned } from "../../pictures/numbers";
import { fromOne, indexColumn } from "../../pictures/ordinal";
import { createSheet } from "../../pictures/sheet";
import type { Table } from "../../pictures/table";
import { whenChanged } from "../../view/panel";
import type { ViewContext } from "../../view/view";
import { readNumber, type Panel, type Shown } from "../decoding/shown";
import { branchPointsOf } from "../decoding/traces";
import { nodesOf, trieOf } from "./trie";
import { createTrialTable, ENDS, scoreOf, type Opened } from "./trialTable";
import { drawTrie, scaleOf, type TrieLook } from "./triePicture";

export function createBranchPoint(root: HTMLElement, context: ViewContext): Panel {
  const figure = createFigure(root, "Branch point: prefix tree of its trials", "fork", context);
  const heading = figure.body.appendChild(element("p", { class: "explaining" }));
  const scroller = figure.body.appendChild(
    element("div", { class: "scroll", tabindex: "0", role: "region" }),
  );
  const svg = select(scroller).append("svg").attr("class", "trie").attr("role", "img");
  const group = svg.append("g") as Group;
  const list = figure.body.appendChild(element("div", { class: "trials-list" }));
  const trials = createTrialTable(list, context);
  const votes = figure.body.appendChild(element("div", {}));
  const voteBars = createBars(votes, context);
  let last: { trace: number; index: number } | null = null;

  scroller.addEventListener("click", (event) => {
    const cell = (event.target as Element).closest<SVGGElement>("[data-trial]");
    if (cell) context.state.set("trial", cell.dataset.trial ?? null);
  });

  const draw = whenChanged<Shown>(
    ({ trace, theme, position }) => [trace, theme, position, context.state.get("trial")],
    (shown) => {
      const opened = openedOf(shown, last, readNumber(context, "trial"));
      if (!opened) return figure.hide();
      last = { trace: opened.trace.start.trace, index: opened.branchPoint.index };
      heading.replaceChildren(...headline(opened));
      const look = lookOf(opened);
      const size = drawTrie(group, look);
      svg.attr("width", size.width).attr("height", size.height);
      svg.attr("aria-label", sentence(opened));
      scroller.setAttribute("aria-label", "Prefix tree, scrolls horizontally");
      trials.render(opened);
      votes.hidden = opened.branchPoint.votes.length === 0;
      if (!votes.hidden) voteBars.render(voteChart(opened));
      renderLegend(figure.legend, legendOf(look));
      figure.update(sourceOf(opened, context));
    },
  );
  return { render: draw, destroy: figure.destroy };
}

/** The branch point whose trial holds the chosen token, else the one shown before, else the first. */
function openedOf(
  { trace, position, theme }: Shown,
  last: { trace: number; index: number } | null,
  trial: number | null,
): Opened | null {
  const branchPoints = trace ? branchPointsOf(trace) : [];
  const chosen = branchPoints.find(
    ({ step, branchPoint }) =>
      position !== null && position >= step.position && position < step.position + branchPoint.kept,
  );
  const before = branchPoints.find(
    ({ branchPoint }) => last?.trace === trace?.start.trace && branchPoint.index === last?.index,
  );
  const found = chosen ?? before ?? branchPoints[0];
  if (!trace || !found) return null;
  const { step, branchPoint, fan } = found;
  const selected = trial !== null && trial in branchPoint.trials ? trial : null;
  return { trace, branchPoint, fan, position: step.position, theme, selected };
}

const CHOSEN_BY: Record<Fork["by"], string> = {
  perplexity: "lowest perplexity",
  perplexity_raw: "lowest perplexity under the model alone",
  vote: "most votes",
  beam: "highest beam score",
  forced: "forced by you",
};

function headline({ branchPoint, position, fan }: Opened): (Node | string)[] {
  const parts: (Node | string)[] = [
    `Branch point at output token ${fromOne(position)}: ${counted(branchPoint.trials.length, "trial")}, `,
  ];
  const text = fan.paths[branchPoint.winner]?.texts.slice(0, branchPoint.kept).join("") ?? "";
  parts.push(`trial ${fromOne(branchPoint.winner)} appended (${CHOSEN_BY[branchPoint.by]}): `);
  parts.push(quotedToken(text.length > 80 ? `${text.slice(0, 80)}…` : text));
  if (branchPoint.kept < (branchPoint.trials[branchPoint.winner]?.length ?? 0))
    parts.push(", cut short by a forced token");
  if (branchPoint.margin !== null) parts.push(`, margin ${showNumber(branchPoint.margin)}`);
  if (branchPoint.greedy_rank !== null)
    parts.push(`, greedy trial ranked ${branchPoint.greedy_rank}`);
  return parts;
}

function sentence(opened: Opened): string {
  const { branchPoint } = opened;
  return `Prefix tree of ${counted(branchPoint.trials.length, "trial")} in ${counted(branchPoint.nodes, "node")}; trial ${fromOne(branchPoint.winner)} wins.`;
}

function lookOf({ branchPoint, fan, theme, selected }: Opened): TrieLook {
  const pruned = new Set(
    branchPoint.trials.flatMap((trial, i) => (trial.end === "pruned" ? [i] : [])),
  );
  return {
    roots: trieOf(fan),
    trials: branchPoint.trials.length,
    noteOf: (trials) => noteOf(branchPoint, trials),
    pruned,
    selected,
    theme,
  };
}

/** "★ ×2 · perplexity 1.21 · stop". */
function noteOf(branchPoint: Fork, trials: readonly number[]): string {
  const first = branchPoint.trials[trials[0] ?? -1];
  if (!first) return "";
  const won = trials.includes(branchPoint.winner);
  const parts = [trials.length > 1 ? `×${trials.length}` : `#${fromOne(trials[0] ?? 0)}`];
  parts.push(
    first.end === "pruned" ? "✂ pruned" : `ppl ${showNumber(scoreOf(branchPoint, first))}`,
  );
  if (first.end !== "pruned" && first.end !== "stop") parts.push(ENDS[first.end]);
  if (trials.some((trial) => branchPoint.trials[trial]?.greedy)) parts.push("◇ greedy");
  return `${won ? "★ " : ""}${parts.join(" · ")}`;
}

function voteChart({ branchPoint, theme }: Opened): BarChart {
  return {
    title: "Votes by answer",
    stem: "votes",
    theme,
    categories: [{ key: "votes", label: "votes", slot: 0 }],
    bars: branchPoint.votes.map((vote, i) => ({
      key: vote.answer,
      label: visible(vote.answer),
      parts: [vote.trials.length],
      note: `${vote.trials.length} of ${branchPoint.trials.length}`,
      strong: i === 0,
    })),
  };
}

function legendOf({ roots, theme }: TrieLook): Legend {
  return {
    scale: scaleOf(roots, theme),
    unit: "nats, −ln q, with q the probability that the token was sampled with",
    normalisation: "this branch point",
    notes: [
      "Thickness of the band: number of trials that share the token. ★ and bold: appended. ×n: n " +
        "identical trials. ✂ and dashed: pruned, could no longer win. ◇: greedy trial.",
    ],
  };
}

function sourceOf(opened: Opened, context: ViewContext): FigureSource {
  const { branchPoint, fan, trace, position, theme } = opened;
  return {
    table: () => tableOf(opened),
    data: () => ({ decoder: trace.start.label, position, fork: branchPoint, paths: fan.paths }),
    svg: () => {
      const title = `${trace.start.label}: branch point at output token ${fromOne(position)}`;
      const sheet = createSheet(title, theme, get(context.run));
      const look = lookOf(opened);
      const size = drawTrie(sheet.body as Group, look);
      const legend = legendOf(look);
      const width = Math.max(size.width, 620);
      const key = drawKey(sheet.body, legend, size.height, width);
      return sheet.finish(width, size.height + key);
    },
  };
}

function tableOf({ branchPoint, fan }: Opened): Table {
  const rows = branchPoint.trials.map((trial, number) => [
    number,
    visible(fan.paths[number]?.texts.join("") ?? ""),
    trial.length,
    trial.perplexity,
    trial.perplexity_raw,
    trial.score,
    ENDS[trial.end],
    trial.duplicate_of,
    trial.greedy,
    number === branchPoint.winner,
    trial.answer,
  ]);
  const margin = branchPoint.margin === null ? "" : `, margin ${showSigned(branchPoint.margin)}`;
  return {
    caption: `Trials of the branch point, ${nodesOf(trieOf(fan))} tree nodes${margin}`,
    columns: [
      indexColumn("trial"),
      "text",
      "tokens",
      "perplexity",
      "raw perplexity",
      "score",
      "ended by",
      indexColumn("same as"),
      "greedy",
      "appended",
      "answer",
    ],
    rows,
  };
}
