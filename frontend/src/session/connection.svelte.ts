// The document of a session on this machine, in step with the server's.

import * as decoding from "lib0/decoding";
import { IndexeddbPersistence } from "y-indexeddb";
import type { Awareness } from "y-protocols/awareness";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { storeName } from "./localStore";

/** opening: nothing is known yet; saving: the server has not yet said that it holds everything. */
export type Saved = "opening" | "saved" | "saving" | "offline";

const SYNC = 0;
const AUTH = 2;
const ACKNOWLEDGED = 4;
const SYNC_STEP_1 = 0;
/** An update was refused: what is here differs from what all others have. */
const CLOSE_REFUSED = 4400;
/** A connection that was quiet for longer is asked whether it is still open. */
const ASK_MS = 10_000;

/** Counts what the server has to save, as the server does. */
class CountingSocket extends WebSocket {
  sent = 0;

  override send(data: Uint8Array<ArrayBuffer>): void {
    super.send(data);
    if (data[0] === SYNC && data[1] !== SYNC_STEP_1) this.sent += 1;
  }
}

export interface ConnectionHandlers {
  /** The server does not take what was changed here: the document has to be opened again. */
  refused(): void;
}

export class Connection {
  readonly doc = new Y.Doc();
  readonly awareness: Awareness;
  saved = $state.raw<Saved>("opening");
  /** There is something to show: the server's document, or what was kept here. */
  opened = $state(false);
  #provider: WebsocketProvider;
  #kept: IndexeddbPersistence | null = null;
  #acknowledged = 0;
  #changed = false;
  #handlers: ConnectionHandlers;

  constructor(
    readonly session: string,
    handlers: ConnectionHandlers,
    url: string,
  ) {
    this.#handlers = handlers;
    this.#provider = new WebsocketProvider(url, session, this.doc, {
      WebSocketPolyfill: CountingSocket as typeof WebSocket,
      disableBc: true, // what another tab holds is only true once the server took it
      resyncInterval: ASK_MS,
    });
    this.awareness = this.#provider.awareness;
    this.#listen();
  }

  #listen(): void {
    const provider = this.#provider;
    const update = () => this.#update();
    provider.on("status", ({ status }) => {
      if (status === "connecting") this.#acknowledged = 0;
      update();
    });
    provider.on("sync", update);
    provider.on("closed", ({ code }) => {
      update();
      if (code === CLOSE_REFUSED) this.#handlers.refused();
    });
    this.doc.on("update", (_: Uint8Array, origin: unknown) => {
      if (origin !== provider) this.#changed = true;
      update();
    });
    provider.messageHandlers[AUTH] = () => {
      // A page that only reads answers the server's question too, with nothing.
      if (this.#changed) this.#handlers.refused();
    };
    provider.messageHandlers[ACKNOWLEDGED] = (_: unknown, decoder: decoding.Decoder) => {
      this.#acknowledged = decoding.readVarUint(decoder);
      update();
    };
  }

  #update(): void {
    const { synced, ws } = this.#provider;
    const waiting = ((ws as CountingSocket | null)?.sent ?? 0) > this.#acknowledged;
    if (synced) this.opened = true;
    if (this.opened) this.saved = !synced ? "offline" : waiting ? "saving" : "saved";
  }

  /** Keeps changes on this machine until the server has them, closed pages included. */
  keep(user: string): void {
    if (this.#kept || !globalThis.indexedDB) return;
    this.#kept = new IndexeddbPersistence(storeName(user, this.session), this.doc);
  }

  /** The line is tried again at once. */
  retry(): void {
    this.#provider.disconnect();
    this.#provider.connect();
  }

  close(): void {
    this.#provider.destroy();
    this.awareness.destroy();
    void this.#kept?.destroy();
    this.doc.destroy();
  }

  /** Closes, and leaves nothing of the document on this machine. */
  async forget(): Promise<void> {
    const kept = this.#kept;
    this.#kept = null;
    this.close();
    await kept?.clearData();
  }
}
