// Time left, from the progress events of one stage.

export interface Mark {
  stage: string;
  done: number;
  total: number;
  unit: string;
  /** Milliseconds since the epoch, by the server's clock. */
  at: number;
}

export interface Pace {
  first: Mark;
  latest: Mark;
}

export function advance(pace: Pace | null, mark: Mark): Pace {
  return pace?.first.stage === mark.stage
    ? { first: pace.first, latest: mark }
    : { first: mark, latest: mark };
}

/** Seconds left in the stage; null before two marks show a speed. */
export function secondsLeft({ first, latest }: Pace): number | null {
  const gained = latest.done - first.done;
  const seconds = (latest.at - first.at) / 1000;
  if (latest.total === 0 || gained <= 0 || seconds <= 0) return null;
  return ((latest.total - latest.done) * seconds) / gained;
}

export function showSeconds(seconds: number): string {
  if (seconds < 1) return "under 1 s";
  if (seconds < 100) return `${Math.round(seconds)} s`;
  return `${Math.round(seconds / 60)} min`;
}
