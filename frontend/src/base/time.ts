/** A moment in the visitor's format and time zone: "1/31/26, 11:20 AM"; a medium date names the month. */
export const momentOf = (text: string, dateStyle: "short" | "medium" = "short") =>
  new Date(text).toLocaleString(undefined, { dateStyle, timeStyle: "short" });
