// The attention of one block to each token.

import { massSlice } from "./mass";
import { nameIn, tokenTexts, type Shown } from "./shown";

export interface HeatToken {
  /** Number in the layout. */
  index: number;
  block: number;
  text: string;
  /** False: masked, which is not the same as no attention. */
  read: boolean;
  mass: number;
}

export interface Heat {
  reader: number;
  tokens: HeatToken[];
  /** Largest mass among the tokens that are read. */
  limit: number;
}

/** Attention of the chosen pair's reader to each token; null: not measured. */
export function tokenHeat(shown: Shown): Heat | null {
  const { layout, state, pairs, pair } = shown;
  const reader = pairs[pair ?? -1]?.reader;
  if (!layout || !state.tokenMass || reader === undefined) return null;
  const mass = massSlice(state.tokenMass, reader, shown.layer);
  const { blocks } = layout.event;
  const texts = tokenTexts(state, layout.event, mass.length);
  const reads = new Set([...(blocks[reader]?.reads ?? []), reader]);
  const tokens = texts.map((text, index): HeatToken => {
    const block = blockAt(blocks, index);
    return { index, block, text, read: reads.has(block), mass: mass[index] ?? 0 };
  });
  const limit = tokens.reduce((most, token) => (token.read ? Math.max(most, token.mass) : most), 0);
  return { reader, tokens, limit };
}

/** The last block also holds what is added to the answer. */
export function blockAt(blocks: readonly { start: number }[], token: number): number {
  const after = blocks.findIndex(({ start }) => start > token);
  return after < 0 ? blocks.length - 1 : after - 1;
}

export function readersText(shown: Shown, { reader }: Heat): string {
  const where = shown.layer === null ? "mean over layers" : `layer ${shown.layer}`;
  return `Attention of “${nameIn(shown, reader)}” to each token, ${where}, mean over heads`;
}
