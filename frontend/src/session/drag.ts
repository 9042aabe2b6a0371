// Panels dragged to another place. The page changes at the drop alone: a heavy picture is not drawn
// again while it moves, and what others change meanwhile disturbs nothing.

import { combine } from "@atlaskit/pragmatic-drag-and-drop/combine";
import {
  draggable,
  dropTargetForElements,
} from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { setCustomNativeDragPreview } from "@atlaskit/pragmatic-drag-and-drop/element/set-custom-native-drag-preview";

export type Side = "before" | "after";

interface Dragged {
  /** The panel's frame. */
  node: HTMLElement;
  handle: HTMLElement;
  id: string;
  title(): string;
  /** Neighbours are next to it, not only above and below. */
  narrow(): boolean;
  dragging(now: boolean): void;
  /** Where another panel would land now; null: not here. */
  over(side: Side | null): void;
  dropped(id: string, side: Side): void;
}

const KIND = "panel";

export function dragPanel(panel: Dragged): () => void {
  const { node, handle, id } = panel;
  const sideOf = (x: number, y: number): Side => {
    const box = node.getBoundingClientRect();
    const early = panel.narrow() ? x < box.left + box.width / 2 : y < box.top + box.height / 2;
    return early ? "before" : "after";
  };
  return combine(
    draggable({
      element: node,
      dragHandle: handle,
      getInitialData: () => ({ [KIND]: id }),
      onGenerateDragPreview: ({ nativeSetDragImage }) =>
        setCustomNativeDragPreview({
          nativeSetDragImage,
          render: ({ container }) => {
            container.className = "drag-preview";
            container.textContent = panel.title();
          },
        }),
      onDragStart: () => panel.dragging(true),
      onDrop: () => panel.dragging(false),
    }),
    dropTargetForElements({
      element: node,
      canDrop: ({ source }) => typeof source.data[KIND] === "string" && source.data[KIND] !== id,
      onDrag: ({ location }) => {
        const { clientX, clientY } = location.current.input;
        panel.over(sideOf(clientX, clientY));
      },
      onDragLeave: () => panel.over(null),
      onDrop: ({ source, location }) => {
        panel.over(null);
        const { clientX, clientY } = location.current.input;
        panel.dropped(String(source.data[KIND]), sideOf(clientX, clientY));
      },
    }),
  );
}
