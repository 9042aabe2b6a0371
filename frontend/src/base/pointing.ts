// What one does to look at something: a touch screen knows no hovering.

const coarse = globalThis.matchMedia?.("(pointer: coarse)").matches ?? false;

export const HOVER = coarse ? "Tap" : "Hover";
