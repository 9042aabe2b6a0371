import type { ViewTraits } from "../../view/view";

export const TRAITS: ViewTraits = { personal: ["step"], traces: "diffusion" };
