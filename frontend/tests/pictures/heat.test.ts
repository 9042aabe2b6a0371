import { describe, expect, it } from "vitest";
import { createPictureSource } from "../../src/net/arrays";
import { sequential } from "../../src/pictures/colour";
import { heatPixels, outlinePath, unitMap, upscale } from "../../src/pictures/heat";

describe("a map", () => {
  it("is spread from its least to its greatest value", () => {
    expect([...unitMap([-2, 0, 2])]).toEqual([0, 0.5, 1]);
    expect([...unitMap([3, 3])]).toEqual([0, 0]);
  });

  it("is upscaled as torch does it, corners in their corners", () => {
    // torch: F.interpolate([[0, 1], [2, 3]], size=4, mode="bilinear", align_corners=False)
    const rows = [
      [0, 0.25, 0.75, 1],
      [0.5, 0.75, 1.25, 1.5],
      [1.5, 1.75, 2.25, 2.5],
      [2, 2.25, 2.75, 3],
    ];
    const found = upscale([0, 1, 2, 3], { rows: 2, columns: 2 }, { width: 4, height: 4 });
    expect([...found]).toEqual(rows.flat());
  });

  it("keeps rows and columns apart in a grid that is no square", () => {
    const found = upscale([0, 1, 2], { rows: 1, columns: 3 }, { width: 3, height: 2 });
    expect([...found]).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it("is paper at 0 and the scale's end at 1", () => {
    const pixels = heatPixels(Float64Array.from([0, 1]), sequential(1, "light"));
    expect([...pixels]).toEqual([255, 255, 255, 255, 0xd9, 0x5f, 0x02, 255]);
  });
});

describe("an outline", () => {
  it("runs between the pixels within and those without", () => {
    expect(outlinePath([0, 0, 0, 0, 1, 0, 0, 0, 0], 3, 3)).toBe("M1 1h1M1 2h1M1 1v1M2 1v1");
  });

  it("closes at the border and joins straight stretches", () => {
    expect(outlinePath([1, 1, 1, 1], 2, 2)).toBe("M0 0h2M0 2h2M0 0v2M2 0v2");
    expect(outlinePath([0, 0, 0, 0], 2, 2)).toBe("");
  });
});

describe("pictures", () => {
  const ref = { width: 1, height: 1, sha256: "a", data: null };

  it("are addresses with the file in them, fetched once", async () => {
    let asked = 0;
    const source = createPictureSource(() => {
      asked += 1;
      return Promise.resolve(Uint8Array.from([1, 2, 3]).buffer);
    });
    expect(source({ ...ref, data: "AQID" })).toBe("data:image/png;base64,AQID");
    expect(await source(ref)).toBe("data:image/png;base64,AQID");
    await source(ref);
    expect(asked).toBe(1);
  });

  it("are asked for again after a failure", async () => {
    let asked = 0;
    const source = createPictureSource(() => {
      asked += 1;
      return asked === 1 ? Promise.reject(new Error("away")) : Promise.resolve(new ArrayBuffer(0));
    });
    await expect(source(ref)).rejects.toThrow("away");
    expect(await source(ref)).toBe("data:image/png;base64,");
  });
});
