// The cost of each trace as bars: forward passes, tokens kept and wasted, time.

import type { Bar, BarChart } from "../../pictures/bars";
import type { Category } from "../../pictures/swatch";
import type { Theme } from "../../base/theme";
import type { TraceCost } from "../../gen/local_leap";
import type { Lane } from "./lanes";

interface Measure {
  title: string;
  stem: string;
  categories: Category[];
  parts(cost: TraceCost): number[];
  note(cost: TraceCost): string;
}

const MEASURES: readonly Measure[] = [
  {
    title: "Forward passes",
    stem: "forwards",
    categories: [
      { key: "main", label: "main decoding", slot: 1 },
      { key: "trial", label: "trials", slot: 0 },
    ],
    parts: (cost) => [cost.main_forwards, cost.trial_forwards],
    note: (cost) => String(cost.main_forwards + cost.trial_forwards),
  },
  {
    title: "Tokens, kept + wasted",
    stem: "tokens",
    categories: [
      { key: "kept", label: "kept", slot: 1 },
      { key: "wasted", label: "wasted", slot: 0 },
    ],
    parts: (cost) => [cost.tokens_kept, cost.tokens_wasted],
    note: (cost) => `${cost.tokens_kept} + ${cost.tokens_wasted}`,
  },
  {
    title: "Seconds",
    stem: "seconds",
    categories: [
      { key: "model", label: "forward passes", slot: 1 },
      { key: "rest", label: "sampling", slot: 0 },
    ],
    parts: (cost) => [cost.model_seconds, Math.max(0, cost.seconds - cost.model_seconds)],
    note: (cost) => cost.seconds.toFixed(2),
  },
];

/** Of the traces that have ended; none: no charts. */
export function costCharts(lanes: readonly Lane[], theme: Theme): BarChart[] {
  const ended = lanes.filter((lane) => lane.trace.end !== null);
  if (ended.length === 0) return [];
  return MEASURES.map(({ title, stem, categories, parts, note }) => ({
    title,
    stem,
    categories,
    theme,
    bars: ended.flatMap(({ key, trace, source }): Bar[] => {
      const cost = trace.end?.cost;
      const label = source ? `${trace.start.label} (${source})` : trace.start.label;
      return cost
        ? [{ key, label, parts: parts(cost), note: note(cost), strong: trace.start.main }]
        : [];
    }),
  }));
}
