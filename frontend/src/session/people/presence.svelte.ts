// Who is here, and whom this browser follows.

import { announce } from "../../base/announce";
import { pickColour } from "./colour";
import { leadsBack, peersOf, type Peer } from "./peers";
import type { Room } from "./room";

const IDLE_MS = 60_000;
/** Changes within this time are said in one sentence. */
const SAY_MS = 2_000;

export class Presence {
  peers = $state.raw<Peer[]>([]);
  /** The client that is followed. */
  following = $state<number | null>(null);
  leader = $derived(this.peers.find((peer) => peer.client === this.following) ?? null);
  #room: Room;
  #idle: ReturnType<typeof setTimeout> | null = null;
  #saying: ReturnType<typeof setTimeout> | null = null;
  #known: readonly Peer[] = [];

  constructor(room: Room) {
    this.#room = room;
  }

  /** Joins; returns what leaves. */
  join(): () => void {
    const { awareness, me } = this.#room;
    const changed = () => this.#read();
    awareness.on("change", changed);
    this.#read();
    this.#known = this.peers;
    const taken = this.peers.map((peer) => peer.user.colour);
    const colour = pickColour(me.id, taken);
    awareness.setLocalStateField("user", { id: me.id, name: me.name, colour });
    const stops = [this.#watchIdleness(), () => awareness.off("change", changed)];
    return () => stops.forEach((stop) => stop());
  }

  follow(client: number | null): void {
    if (client !== null && !this.mayFollow(client)) return;
    const left = this.leader?.user.name;
    this.following = client;
    this.#room.awareness.setLocalStateField("following", client);
    if (this.leader) announce(`Following ${this.leader.user.name}; Escape stops`);
    else if (left) announce(`No longer following ${left}`);
  }

  /** Two who follow each other would not move. */
  mayFollow(client: number): boolean {
    return !leadsBack(this.peers, client, this.#room.awareness.clientID);
  }

  #read(): void {
    const { awareness } = this.#room;
    this.peers = peersOf(awareness.getStates(), awareness.clientID);
    if (this.following !== null && !this.leader) this.follow(null);
    this.#saying ??= setTimeout(() => this.#sayWhoCame(), SAY_MS);
  }

  #sayWhoCame(): void {
    this.#saying = null;
    const [before, now] = [this.#known, this.peers];
    this.#known = now;
    const [came, left] = [missing(now, before), missing(before, now)];
    const sentences = [came && `${came} came`, left && `${left} left`].filter(Boolean);
    if (sentences.length) announce(sentences.join("; "));
  }

  #watchIdleness(): () => void {
    const { awareness } = this.#room;
    let idle = false;
    const say = (now: boolean) => {
      if (now !== idle) awareness.setLocalStateField("idle", now);
      idle = now;
    };
    const act = () => {
      say(document.hidden);
      if (this.#idle) clearTimeout(this.#idle);
      this.#idle = setTimeout(() => say(true), IDLE_MS);
    };
    const events = ["pointermove", "pointerdown", "keydown", "wheel", "visibilitychange"];
    for (const name of events) document.addEventListener(name, act, { passive: true });
    act();
    return () => {
      for (const name of events) document.removeEventListener(name, act);
      for (const timer of [this.#idle, this.#saying]) if (timer) clearTimeout(timer);
    };
  }
}

/** Names of those who are not among the others; two pages of one person are one person. */
function missing(peers: readonly Peer[], others: readonly Peer[]): string {
  const there = others.map(({ user }) => user.id);
  const names = peers.filter(({ user }) => !there.includes(user.id)).map(({ user }) => user.name);
  return [...new Set(names)].join(", ");
}
