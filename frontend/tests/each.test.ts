// Lists whose items repeat: Svelte stops a page whose keyed list has two equal keys.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { flushSync } from "svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import ModelPage from "../src/pages/ModelPage.svelte";
import Help from "../src/parts/Help.svelte";
import { PAGE_KEYS, PICTURE_KEYS } from "../src/base/keys";
import Log from "../src/session/people/Log.svelte";
import { LOG_PAGE } from "../src/session/people/calls";
import { button, said, show, takeDown } from "./mounted";
import { serve, SESSION } from "./room";

afterEach(takeDown);

const SOURCES = readdirSync("src", { recursive: true, encoding: "utf8" });

/** What the server, the catalog or the page itself keeps apart; anything else goes by its place. */
const IDENTITIES = [
  ...["id", "place.id", "model.id", "run.id", "panel.id", "link.id", "thread.id", "comment.id"],
  ...["session.id", "segment.id", "picture.id", "entry.id", "method.stem", "place.href"],
  ...["client", "peer.client", "member.username", "group.name", "field.name"],
];
/** Constants of the file, and the keys of one object. */
const CONSTANTS = ["PRESETS", "WIDTHS", "GIVEN", "ROLES", "FORMATS", "SHELVES", "HOLDS"];
const EACH = /{#each\s+([^}]+?)\s+as\s+(?:[^}(]|{[^}]*})+?\(([^}]*)\)}/g;

function risky(path: string): string[] {
  const found = [...readFileSync(join("src", path), "utf8").matchAll(EACH)];
  return found.flatMap(([each, list = "", key = ""]) => {
    const place = new RegExp(`,\\s*${key}\\s*\\(`).test(each);
    const constant = CONSTANTS.includes(list) || /^Object\.(keys|entries)\(/.test(list);
    return place || constant || IDENTITIES.includes(key) ? [] : [`${path}: ${each}`];
  });
}

describe("a keyed list", () => {
  it("goes by an identity, or by the item's place", () => {
    const files = SOURCES.filter((path) => path.endsWith(".svelte"));
    expect(
      files.flatMap((path) => [...readFileSync(join("src", path), "utf8").matchAll(EACH)]).length,
    ).toBeGreaterThan(30);
    expect(files.flatMap(risky)).toEqual([]);
  });

  it("of the help shows every key, also those with two meanings", () => {
    show(Help, { open: true });
    const keys = document.querySelectorAll(".keys dt");
    expect(keys.length).toBe(PICTURE_KEYS.length + PAGE_KEYS.length);
  });

  it("of a model's page may have rows of one name", async () => {
    const row = { name: "- attribute", share: 0.9, items: 5, required: null, limit: null };
    const part = { name: "text", class_name: "T", parameters: 1, bytes: 2, dtype: "float32" };
    serve({
      "GET /api/models/twins": {
        id: "twins",
        title: "Twins",
        source: "bundled",
        capabilities: ["causal_lm", "causal_lm"],
        missing: {},
        parts: [part, part],
        measured: [row, row, row],
        vision: null,
        trained_for_diffusion: null,
        context: 4,
        bytes: 5,
        card: "",
      },
    });
    show(ModelPage, { id: "twins" });
    await vi.waitFor(() => expect(said()).toContain("Evaluation on held-out items"));
    expect(said().match(/- attribute/g)?.length).toBe(3);
    expect(said()).not.toContain("Loading…");
  });

  it("of the log is read once where a button is pressed twice", async () => {
    const entries = Array.from({ length: LOG_PAGE }, (_, at) => ({
      id: 1000 - at,
      at: "2026-01-01T00:00:00Z",
      actor: "ana",
      action: "session_imported",
      detail: {},
    }));
    const asked = serve({ [`GET /api/sessions/${SESSION}/audit`]: entries });
    show(Log, { session: SESSION });
    const details = document.querySelector("details");
    if (details) details.open = true;
    details?.dispatchEvent(new Event("toggle"));
    await vi.waitFor(() => expect(button("Older entries")).toBeDefined());
    button("Older entries")?.click();
    button("Older entries")?.click();
    flushSync();
    await vi.waitFor(() => expect(asked.length).toBe(2));
    expect(document.querySelectorAll(".share-list li").length).toBeGreaterThan(0);
  });
});
