// The dtype in which a run loads its models.

import type { Run } from "../net/api";

export type Dtype = Run["dtype"];

export const DTYPES: readonly Dtype[] = ["auto", "float32", "bfloat16", "float16"];

/** The dtype of that name; auto for any other. */
export const asDtype = (name: string | null): Dtype =>
  DTYPES.find((known) => known === name) ?? "auto";
