// One run as it happens: its snapshot, its stage and its errors; method events go to the view.

import { cancelRun, goToLogin, problemOf, type Problem, type Run } from "../net/api";
import type { CommonEvent, ModelInfo, Progress } from "../gen/common";
import type { ErrorMessage, EventMessage } from "../gen/socket";
import type { SocketClient } from "../net/socket";
import { catalog } from "../net/catalog.svelte";
import { failure } from "../pictures/provenance";
import { advance, secondsLeft, type Pace } from "./eta";

export interface EventSink {
  event(event: { kind: string }): void;
  reset(): void;
}

type Unfinished = "queued" | "running";
const UNFINISHED: readonly string[] = ["queued", "running"] satisfies Unfinished[];

export class LiveRun {
  run = $state.raw<Run | null>(null);
  pace = $state.raw<Pace | null>(null);
  model = $state.raw<ModelInfo | null>(null);
  refusal = $state.raw<ErrorMessage | null>(null);
  /** Said at once when Stop is pressed, before the worker has received it. */
  stopping = $state(false);
  /** Why Stop could not be sent. */
  problem = $state.raw<Problem | null>(null);
  finished = $derived(this.run !== null && !UNFINISHED.includes(this.run.status));
  secondsLeft = $derived(this.pace && secondsLeft(this.pace));

  constructor(
    readonly id: string,
    private readonly sink: EventSink,
  ) {}

  watch(client: SocketClient): () => void {
    return client.watch(this.id, {
      event: (message) => this.#take(message),
      run: (run) => this.snapshot(run as Run),
      reset: () => this.#restart(),
      error: (error) => this.#refuse(error),
    });
  }

  snapshot(run: Run): void {
    this.run = run;
    this.refusal = null;
    if (this.finished) this.stopping = false;
  }

  /** The answer may come after newer messages: the watch is right about what became of the run. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.problem = null;
    try {
      await cancelRun(this.id);
    } catch (error) {
      this.stopping = false;
      this.problem = problemOf(error);
    }
  }

  #refuse(error: ErrorMessage): void {
    if (error.code === "login_required") goToLogin();
    else this.refusal = error;
  }

  #restart(): void {
    this.pace = null;
    this.model = null;
    this.sink.reset();
  }

  #take({ event, at }: EventMessage): void {
    const known = event as unknown as CommonEvent | { kind: "status" };
    if (known.kind === "progress") this.#progress(known, Date.parse(at));
    if (known.kind === "model") this.#loaded(known.info);
    if (known.kind !== "status") this.sink.event(known);
  }

  #loaded(info: ModelInfo): void {
    this.model = info;
    const { run, finished } = this;
    const check = info.self_check;
    if (run && !finished && check)
      catalog.noteCheck(run.model, run.dtype, check.passed ? "" : failure(check));
  }

  #progress({ stage, done, total, unit }: Progress, at: number): void {
    this.pace = advance(this.pace, { stage, done, total, unit, at });
  }
}
