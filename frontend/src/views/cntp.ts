// CNTP and its baselines: where the model is unsure, what was tried, and what it cost.

import "./cntp/cntp.css";
import { createPerplexity } from "./cntp/perplexity";
import { createDetail } from "./cntp/detail";
import { createBranchPoint } from "./cntp/branchPoint";
import { createText } from "./cntp/text";
import { createThresholds } from "./cntp/thresholds";
import { createBranches } from "./decoding/branchPanel";
import { createCompare } from "./decoding/compare";
import { decodingView } from "./decoding/view";

export const create = decodingView(
  [
    createText,
    createBranchPoint,
    createBranches,
    createCompare,
    createPerplexity,
    createThresholds,
  ],
  createDetail,
);
