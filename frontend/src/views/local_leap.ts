// LocalLeap and its baselines: a canvas that fills, step by step, with the reason of each token.

import "./local_leap/local_leap.css";
import type { CreateView } from "../view/view";
import { createBranches } from "./decoding/branchPanel";
import { createCompare } from "./decoding/compare";
import type { RunEvent } from "./decoding/traces";
import { decodingView } from "./decoding/view";
import { createCanvas } from "./local_leap/canvas";
import { createClock } from "./local_leap/clock";
import { createDetail } from "./local_leap/detail";
import { createGrid } from "./local_leap/grid";
import { createLifelines } from "./local_leap/lifelines";
import { createSteps } from "./local_leap/steps";

export const create: CreateView<RunEvent> = (root, context) => {
  const clock = createClock(context);
  const view = decodingView(
    [
      (holder) => createCanvas(holder, context, clock),
      (holder) => createGrid(holder, context, clock),
      createBranches,
      createCompare,
      (holder) => createSteps(holder, context, clock),
      createLifelines,
    ],
    (holder) => createDetail(holder, context, clock),
  )(root, context);
  return {
    update: (event) => view.update(event),
    destroy() {
      clock.destroy();
      view.destroy();
    },
  };
};
