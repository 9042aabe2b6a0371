// What a view has asked for and may have to wait for: arrays, pictures.

/** The value once it is there, else null. */
export type ResourceCache = <Value>(
  key: string,
  load: () => Value | Promise<Value>,
) => Value | null;

/** Asks for each key once; calls `changed` when one arrives, `failed` when it does not. */
export function createResourceCache(
  changed: () => void,
  failed: (error: Error) => void,
): ResourceCache {
  const known = new Map<string, unknown>();
  return <Value>(key: string, load: () => Value | Promise<Value>): Value | null => {
    if (!known.has(key)) {
      const value = load();
      known.set(key, value instanceof Promise ? null : value);
      if (value instanceof Promise) {
        value.then(
          (arrived) => {
            known.set(key, arrived);
            changed();
          },
          (error: Error) => {
            known.delete(key);
            failed(error);
          },
        );
      }
    }
    return known.get(key) as Value | null;
  };
}
