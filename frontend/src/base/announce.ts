import { writable } from "svelte/store";

/** What the page's live region says. */
export const announcement = writable("");

export const announce = (text: string) => announcement.set(text);
