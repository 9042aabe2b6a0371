import { format } from "d3-format";

const fixed = format(".3f");
const small = format(".1e");
const percent = format(".1%");

/** Three decimals where they say something, powers of ten below; a real minus sign. */
export function showNumber(value: number): string {
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  const text =
    magnitude < 0.0005 ? small(value) : magnitude < 1000 ? fixed(value) : format(",.0f")(value);
  return text.replace("-", "−");
}

/** A limit of a scale: a whole number as it is, where things are counted. */
export const showLimit = (value: number): string =>
  Number.isInteger(value) && value < 1000 ? String(value) : showNumber(value);

export function showSigned(value: number): string {
  return value > 0 ? `+${showNumber(value)}` : showNumber(value);
}

/** A probability with ln(1 − p), which distinguishes values that round to 100 %. */
export function showConfidence(share: number, doubt: number | null | undefined): string {
  if (doubt === null || doubt === undefined || doubt > Math.log(0.0005)) return showPercent(share);
  return `1 − ${small(Math.exp(Math.max(doubt, -700))).replace("-", "−")}`;
}

export const showPercent = (share: number) => percent(share).replace("-", "−");
