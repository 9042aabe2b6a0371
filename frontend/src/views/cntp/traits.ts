import type { ViewTraits } from "../../view/view";

export const TRAITS: ViewTraits = { personal: ["trial"], traces: "autoregressive" };
