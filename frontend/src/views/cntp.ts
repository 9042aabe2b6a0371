// CNTP and its baselines: where the model is unsure, what was tried, and what it cost.

import "./cntp/cntp.css";
import { createPerplexity } from "./cntp/perplexity";
import { createDetail } from "./cntp/detail";
import { createFork } from "./cntp/fork";
import { createText } from "./cntp/text";
import { createThresholds } from "./cntp/thresholds";
import { createBranches } from "./decoding/branchPanel";
import { createCompare } from "./decoding/compare";
import { decodingView } from "./decoding/view";

export const create = decodingView(
  [createText, createFork, createBranches, createCompare, createPerplexity, createThresholds],
  createDetail,
);
