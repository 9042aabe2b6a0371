// What the events of a run add up to.

import type {
  Drawn,
  EncoderFlow,
  Findings,
  MethodEvent,
  Prompt,
  Row,
} from "../../../gen/information_flow";

export interface State {
  prompt: Prompt | null;
  rows: readonly Row[];
  /** By `pictureKey`. */
  pictures: ReadonlyMap<string, Drawn>;
  columns: number;
  findings: Findings | null;
  flow: EncoderFlow | null;
}

export const EMPTY: State = {
  prompt: null,
  rows: [],
  pictures: new Map(),
  columns: 0,
  findings: null,
  flow: null,
};

export const pictureKey = (row: number, column: number) => `${row}/${column}`;

export const changeOf = (event: MethodEvent) => (state: State) => applied(state, event);

function applied(state: State, event: MethodEvent): State {
  switch (event.kind) {
    case "prompt":
      return { ...state, prompt: event };
    case "encoder_flow":
      return { ...state, flow: event };
    case "row":
      return { ...state, rows: [...state.rows, event] };
    case "picture":
      return withPicture(state, event);
    case "findings":
      return { ...state, findings: event };
    default:
      return state; // of texts, or shown by the page
  }
}

function withPicture(state: State, event: Drawn): State {
  const pictures = new Map(state.pictures).set(pictureKey(event.row, event.column), event);
  return { ...state, pictures, columns: Math.max(state.columns, event.column + 1) };
}
