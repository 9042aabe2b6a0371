import { get } from "svelte/store";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RunOut } from "../../src/gen/socket";
import {
  backoff,
  createSocketClient,
  type FetchRun,
  type SocketClient,
  type Watcher,
} from "../../src/net/socket";

const RUN = "4a0bb2ad-20f1-4c11-9f50-3d6a2f0d3c11";

/** The server's end of the line. */
class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(): void {
    this.readyState = 3;
  }
  accept(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  cut(): void {
    this.readyState = 3;
    this.onclose?.();
  }
  say(message: Record<string, unknown>): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  event(seq: number, attempt = 1): void {
    const at = "2026-01-02T03:04:05Z";
    this.say({ type: "event", run: RUN, attempt, seq, at, event: { kind: "test", seq } });
  }
  watches(): Record<string, unknown>[] {
    return this.sent.filter((message) => message.type === "watch");
  }
}

let client: SocketClient;
let got: string[];
const latest = () => FakeSocket.all.at(-1) as FakeSocket;

function watcher(): Watcher {
  return {
    event: (message) => got.push(`${message.attempt}.${message.seq}`),
    run: (run) => got.push(run.status),
    reset: () => got.push("reset"),
    error: (error) => got.push(error.code),
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  got = [];
  client = createSocketClient({
    url: "ws://test/ws",
    open: (url) => new FakeSocket(url) as unknown as WebSocket,
    random: () => 1,
  });
});

afterEach(() => {
  client.close();
  vi.useRealTimers();
});

describe("delivery", () => {
  let stop: () => void;

  beforeEach(() => {
    latest().accept();
    stop = client.watch(RUN, watcher());
  });

  it("asks for the run from the start", () => {
    expect(latest().sent).toEqual([{ type: "watch", run: RUN, attempt: 0, after: 0 }]);
  });

  it("drops doubles", () => {
    for (const seq of [1, 1, 2, 1, 2, 3]) latest().event(seq);
    expect(got).toEqual(["1.1", "1.2", "1.3"]);
  });

  it("puts what arrives early in order", () => {
    for (const seq of [2, 3, 1, 5, 4]) latest().event(seq);
    expect(got).toEqual(["1.1", "1.2", "1.3", "1.4", "1.5"]);
  });

  it("asks again for a hole that stays, and only then", () => {
    for (const seq of [1, 3]) latest().event(seq);
    expect(latest().watches()).toHaveLength(1);
    vi.advanceTimersByTime(500);
    expect(latest().watches().at(-1)).toEqual({ type: "watch", run: RUN, attempt: 1, after: 1 });
    for (const seq of [2, 3, 4]) latest().event(seq);
    expect(got).toEqual(["1.1", "1.2", "1.3", "1.4"]);
    vi.advanceTimersByTime(5000);
    expect(latest().watches()).toHaveLength(2);
  });

  it("starts afresh at a higher attempt and ignores the lower one from then on", () => {
    latest().event(1);
    latest().event(2);
    latest().event(1, 2);
    latest().event(3, 1);
    latest().event(2, 2);
    expect(got).toEqual(["1.1", "1.2", "reset", "2.1", "2.2"]);
  });

  it("passes snapshots and errors on", () => {
    latest().say({ type: "run", run: { id: RUN, status: "queued" } });
    latest().say({ type: "error", code: "run_not_found", message: "", remedy: "", run: RUN });
    latest().say({ type: "error", code: "login_required", message: "", remedy: "", run: null });
    expect(got).toEqual(["queued", "run_not_found", "login_required"]);
  });

  it("tells each of two watchers all of it, whenever it began", () => {
    for (const seq of [1, 2]) latest().event(seq);
    const late: number[] = [];
    const leave = client.watch(RUN, { ...watcher(), event: ({ seq }) => late.push(seq) });
    expect(latest().watches().at(-1)).toEqual({ type: "watch", run: RUN, attempt: 0, after: 0 });
    for (const seq of [1, 2, 3]) latest().event(seq);
    expect([got, late]).toEqual([
      ["1.1", "1.2", "1.3"],
      [1, 2, 3],
    ]);
    leave();
    expect(latest().sent.at(-1)?.type).not.toBe("unwatch");
    latest().event(4);
    expect([got.at(-1), late.at(-1)]).toEqual(["1.4", 3]);
  });

  it("says nothing of a run that is no longer watched", () => {
    stop();
    latest().event(1);
    expect(got).toEqual([]);
    expect(latest().sent.at(-1)).toEqual({ type: "unwatch", run: RUN });
  });
});

describe("sessions", () => {
  const SESSION = "1f1f6f0a-0000-4000-8000-000000000001";
  const watch = () => {
    return client.watchSession(SESSION, {
      message: (message) => got.push(message.type),
      restart: () => got.push("restart"),
      error: (error) => got.push(error.code),
    });
  };

  it("are asked for again on a new line, and told to their watcher alone", () => {
    watch();
    latest().accept();
    expect(latest().sent).toEqual([{ type: "watch_session", session: SESSION }]);
    latest().say({ type: "session", session: { id: SESSION } });
    latest().say({ type: "session", session: { id: RUN } });
    latest().say({ type: "thread", thread: { id: "t", session: SESSION } });
    latest().cut();
    client.retry();
    latest().accept();
    latest().say({ type: "session_gone", session: SESSION, code: "link_revoked" });
    latest().say({ type: "pong" });
    expect(got.filter((word) => word !== "restart")).toEqual(["session", "thread", "session_gone"]);
    expect(latest().sent).toEqual([{ type: "watch_session", session: SESSION }]);
  });

  it("are left alone once nobody watches", () => {
    latest().accept();
    watch()();
    latest().say({ type: "session", session: { id: SESSION } });
    expect(got).toEqual(["restart"]);
    expect(latest().sent.at(-1)).toEqual({ type: "unwatch_session", session: SESSION });
  });
});

describe("the line", () => {
  it("resumes after the last event it has", () => {
    latest().accept();
    client.watch(RUN, watcher());
    for (const seq of [1, 2]) latest().event(seq);
    latest().cut();
    expect(get(client.connection)).toEqual({ state: "reconnecting", attempts: 1 });
    vi.advanceTimersByTime(400);
    latest().accept();
    expect(FakeSocket.all).toHaveLength(2);
    expect(latest().sent).toEqual([{ type: "watch", run: RUN, attempt: 1, after: 2 }]);
    for (const seq of [2, 3]) latest().event(seq);
    expect(got).toEqual(["1.1", "1.2", "1.3"]);
    expect(get(client.connection)).toEqual({ state: "open", attempts: 0 });
  });

  it("comes back after a minute of failed attempts, counting them", () => {
    latest().accept();
    client.watch(RUN, watcher());
    latest().event(1);
    latest().cut();
    while (FakeSocket.all.length < 10) {
      vi.advanceTimersByTime(10_000);
      latest().cut();
    }
    expect(get(client.connection)).toEqual({ state: "reconnecting", attempts: 10 });
    vi.advanceTimersByTime(10_000);
    latest().accept();
    expect(latest().sent).toEqual([{ type: "watch", run: RUN, attempt: 1, after: 1 }]);
  });

  it("notices a line that died without a word", () => {
    latest().accept();
    vi.advanceTimersByTime(20_000);
    expect(latest().sent.filter((message) => message.type === "ping")).toHaveLength(2);
    vi.advanceTimersByTime(10_000);
    expect(get(client.connection).state).toBe("reconnecting");
  });

  it("asks at once when the browser says that it is offline", () => {
    latest().accept();
    dispatchEvent(new Event("offline"));
    latest().say({ type: "pong" });
    vi.advanceTimersByTime(3000);
    expect(get(client.connection).state).toBe("open");
    vi.advanceTimersByTime(1);
    dispatchEvent(new Event("offline"));
    vi.advanceTimersByTime(3000);
    expect(get(client.connection).state).toBe("reconnecting");
  });

  it("stays while pongs arrive", () => {
    latest().accept();
    for (let i = 0; i < 12; i++) {
      vi.advanceTimersByTime(10_000);
      latest().say({ type: "pong" });
    }
    expect(FakeSocket.all).toHaveLength(1);
  });

  it("tries at once when asked to, or when the network is back", () => {
    latest().accept();
    latest().cut();
    client.retry();
    expect(FakeSocket.all).toHaveLength(2);
    latest().cut();
    dispatchEvent(new Event("online"));
    expect(FakeSocket.all).toHaveLength(3);
  });

  it("waits longer each time, up to ten seconds, with jitter", () => {
    expect(backoff(1, 1)).toBe(400);
    expect(backoff(3, 1)).toBe(1600);
    expect(backoff(3, 0)).toBe(800);
    expect(backoff(40, 1)).toBe(10_000);
  });
});

describe("a proxy that lets no socket through", () => {
  const at = "2026-01-02T03:04:05Z";
  const stored = (attempt: number, ...seqs: number[]) =>
    seqs.map((seq) => ({ type: "event" as const, run: RUN, attempt, seq, at, event: {} }));

  it("is reported, and runs are fetched until a socket opens", async () => {
    const asked: unknown[][] = [];
    const pages = [stored(1, 1, 2), stored(1, 3), []];
    const fetch: FetchRun = (...place) => {
      asked.push(place);
      const events = pages.shift() ?? [];
      return Promise.resolve({ run: { id: RUN, status: "running" } as RunOut, events });
    };
    const polled = createSocketClient({
      url: "ws://x",
      open: (url) => new FakeSocket(url) as unknown as WebSocket,
      fetch,
    });
    polled.watch(RUN, watcher());
    latest().cut();
    await vi.advanceTimersByTimeAsync(1_000);
    latest().cut();
    expect(get(polled.connection).state).toBe("polling");
    await vi.advanceTimersByTimeAsync(2_500);
    expect(got).toEqual(["running", "1.1", "1.2", "running", "1.3"]);
    expect(asked).toEqual([
      [RUN, 0, 0],
      [RUN, 1, 2],
    ]);
    polled.retry();
    latest().accept();
    expect(get(polled.connection)).toEqual({ state: "open", attempts: 0 });
    await vi.advanceTimersByTimeAsync(9_000);
    expect(asked).toHaveLength(2);
    polled.close();
  });

  it("leaves an answer that comes when a socket has opened: the socket is ahead", async () => {
    let answer = () => {};
    const fetch: FetchRun = () =>
      new Promise((done) => {
        answer = () => done({ run: { id: RUN, status: "running" } as RunOut, events: [] });
      });
    const polled = createSocketClient({
      url: "ws://x",
      open: (url) => new FakeSocket(url) as unknown as WebSocket,
      fetch,
    });
    polled.watch(RUN, watcher());
    latest().cut();
    await vi.advanceTimersByTimeAsync(1_000);
    latest().cut();
    await vi.advanceTimersByTimeAsync(1);
    polled.retry();
    latest().accept();
    answer();
    await vi.advanceTimersByTimeAsync(1);
    expect(got).toEqual([]);
    polled.close();
  });
});
