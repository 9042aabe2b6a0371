import { showLimit } from "../../src/pictures/numbers";
import { describe, expect, it } from "vitest";
import {
  diverging,
  inkOn,
  lightness,
  limitOf,
  PALETTES,
  sequential,
} from "../../src/pictures/colour";

const THEMES = ["light", "dark"] as const;

describe.each(THEMES)("colours of the %s theme", (theme) => {
  const { background } = PALETTES[theme];

  it("draw zero as the background, exactly", () => {
    expect(diverging(2, theme).colour(0)).toBe(background);
    expect(sequential(2, theme).colour(0)).toBe(background);
  });

  it("reach the ends at the limits and clip beyond", () => {
    const scale = diverging(0.5, theme);
    expect(scale.colour(0.5)).toBe(PALETTES[theme].positive[1]);
    expect(scale.colour(-0.5)).toBe(PALETTES[theme].negative[1]);
    expect(scale.colour(-7)).toBe(scale.colour(-0.5));
  });

  it("have a ramp with the background in its middle", () => {
    expect(diverging(1, theme).ramp(41)[20]).toBe(background);
  });

  it("change lightness in one direction from zero outwards", () => {
    for (const sign of [1, -1]) {
      const steps = Array.from({ length: 21 }, (_, i) => (sign * i) / 20);
      const values = steps.map((step) => lightness(diverging(1, theme).colour(step)));
      const ordered = [...values].sort((a, b) => (theme === "light" ? b - a : a - b));
      expect(values).toEqual(ordered);
    }
  });

  it("carry readable text everywhere", () => {
    for (const colour of diverging(1, theme).ramp(101)) {
      expect(contrast(colour, inkOn(colour))).toBeGreaterThanOrEqual(4.5);
    }
  });
});

it("names a whole limit as a whole number", () => {
  expect([7, 1, 0.5].map(showLimit)).toEqual(["7", "1", "0.500"]);
});

it("stays at the background when nothing has a value", () => {
  expect(diverging(0, "light").colour(0)).toBe("#ffffff");
});

it("takes the largest absolute value as the symmetric limit", () => {
  expect(limitOf([0.1, -0.7, 0.3])).toBe(0.7);
});

function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

function luminance(hex: string): number {
  const channel = (at: number) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}
