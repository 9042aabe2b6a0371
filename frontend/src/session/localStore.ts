// What is kept of sessions on this machine: each document under the name of who wrote it.

const PREFIX = "glassbench-session";

export const storeName = (user: string, session: string) => `${PREFIX}/${user}/${session}`;

/** Deletes what was kept, except what belongs to the user. */
export async function clearLocalStore(user: string | null): Promise<void> {
  const found = (await globalThis.indexedDB?.databases?.()) ?? [];
  const own = user === null ? null : `${PREFIX}/${user}/`;
  const names = found.flatMap(({ name }) => (name?.startsWith(`${PREFIX}/`) ? [name] : []));
  await Promise.all(names.filter((name) => !own || !name.startsWith(own)).map(drop));
}

const drop = (name: string) =>
  new Promise<void>((resolve) => {
    const request = indexedDB.deleteDatabase(name);
    // Blocked by another tab: it goes once that tab lets go.
    request.onsuccess = request.onerror = request.onblocked = () => resolve();
  });
