// Segments and the edges between them: what the editor edits. Pure, so that it is tested alone.

import { counted } from "../../base/plural";

export interface Segment {
  id: string;
  text: string;
  /** From a retriever; null: none was given. */
  score: number | null;
}

/** The target reads the source. */
export interface Edge {
  source: string;
  target: string;
}

export interface Documents {
  segments: readonly Segment[];
  edges: readonly Edge[];
}

export const NOTHING: Documents = { segments: [], edges: [] };

export const sameEdge = (a: Edge, b: Edge) => a.source === b.source && a.target === b.target;

/** The smallest number that no segment has as its id. */
export function freeId(segments: readonly Segment[]): string {
  const taken = new Set(segments.map(({ id }) => id));
  let number = 1;
  while (taken.has(String(number))) number += 1;
  return String(number);
}

export function withSegment(documents: Documents, text: string): Documents {
  const segment = { id: freeId(documents.segments), text, score: null };
  return { ...documents, segments: [...documents.segments, segment] };
}

/** Without the segment and all edges from it and to it. */
export function withoutSegment({ segments, edges }: Documents, id: string): Documents {
  return {
    segments: segments.filter((segment) => segment.id !== id),
    edges: edges.filter((edge) => edge.source !== id && edge.target !== id),
  };
}

export function withText(documents: Documents, id: string, text: string): Documents {
  const changed = (segment: Segment) => (segment.id === id ? { ...segment, text } : segment);
  return { ...documents, segments: documents.segments.map(changed) };
}

/** Moved by places up (negative) or down; the same documents where there is no room. */
export function moved(documents: Documents, id: string, by: number): Documents {
  const segments = [...documents.segments];
  const from = segments.findIndex((segment) => segment.id === id);
  const to = from + by;
  const [segment] = from < 0 || to < 0 || to >= segments.length ? [] : segments.splice(from, 1);
  if (!segment) return documents;
  segments.splice(to, 0, segment);
  return { ...documents, segments };
}

/** The same documents where there is such an edge, or it would lead to its own start. */
export function withEdge(documents: Documents, edge: Edge): Documents {
  const known = documents.edges.some((one) => sameEdge(one, edge));
  if (known || edge.source === edge.target) return documents;
  return { ...documents, edges: [...documents.edges, edge] };
}

export function withoutEdge(documents: Documents, edge: Edge): Documents {
  return { ...documents, edges: documents.edges.filter((one) => !sameEdge(one, edge)) };
}

/** Further documents behind those there are; one whose id is taken gets a free one. */
export function appended(documents: Documents, further: readonly Segment[]): Documents {
  return further.reduce((all, segment) => {
    const taken = all.segments.some(({ id }) => id === segment.id);
    const id = taken ? freeId(all.segments) : segment.id;
    return { ...all, segments: [...all.segments, { ...segment, id }] };
  }, documents);
}

/** "12 characters, 3 words". */
export function lengthOf(text: string): string {
  const characters = [...text].length;
  const words = text.split(/\s+/).filter(Boolean).length;
  return `${counted(characters, "character")}, ${counted(words, "word")}`;
}
