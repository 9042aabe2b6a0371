// Trial counts from stored entropies: N is a pure function of H, so thresholds need no new run.

export const FORMULAS = ["code", "paper"] as const;
export const MODES = ["entropy", "fixed", "negative"] as const;

export interface Thresholds {
  /** H_lo and H_hi in nats. */
  low: number;
  high: number;
  /** N_max. */
  most: number;
  formula: (typeof FORMULAS)[number];
  mode: (typeof MODES)[number];
}

/** What is wrong with them, naming value and remedy; null: nothing. */
export function refuse({ low, high, most }: Thresholds): string | null {
  if (!Number.isFinite(low) || low < 0) return "H_lo must be a number ≥ 0.";
  if (!Number.isFinite(high) || high <= low)
    return `H_hi must be above H_lo, which is ${low}: raise it, or lower H_lo.`;
  const whole = Number.isInteger(most) && most >= 1 && most <= 64;
  return whole ? null : "N_max must be a whole number from 1 to 64.";
}

/**
 * N at entropy H (nats). With u = clamp((H − H_lo) / (H_hi − H_lo), 0, 1): `code` floors
 * 1 + (N_max − 1) u, `paper` clamps ⌊N_max u⌋ to 1 … N_max (arXiv 2507.03038).
 */
export function trialsAt(entropy: number, thresholds: Thresholds): number {
  const { low, high, most, formula, mode } = thresholds;
  if (mode === "fixed") return most;
  const share = Math.min(1, Math.max(0, (entropy - low) / (high - low)));
  if (mode === "negative" && formula === "code") return Math.floor(most - (most - 1) * share);
  const count =
    formula === "code"
      ? Math.floor(1 + (most - 1) * share)
      : Math.min(most, Math.max(1, Math.floor(most * share)));
  return mode === "negative" ? most + 1 - count : count;
}

export interface Tally {
  /** Evaluations at which trials are drawn. */
  branchPoints: number;
  /** Trials of all of them. */
  trials: number;
  most: number;
}

export function tally(counts: readonly number[]): Tally {
  const branchPoints = counts.filter((count) => count > 1);
  return {
    branchPoints: branchPoints.length,
    trials: branchPoints.reduce((sum, count) => sum + count, 0),
    most: Math.max(0, ...counts),
  };
}

/** The thresholds that a trace ran with; null: its decoder has none. */
export function thresholdsOf(settings: Record<string, unknown>): Thresholds | null {
  const { entropy_low, entropy_high, max_trials, formula, mode } = settings;
  const numbers = [entropy_low, entropy_high, max_trials];
  if (numbers.some((value) => typeof value !== "number")) return null;
  return {
    low: entropy_low as number,
    high: entropy_high as number,
    most: max_trials as number,
    formula: FORMULAS.find((one) => one === formula) ?? "code",
    mode: MODES.find((one) => one === mode) ?? "entropy",
  };
}
