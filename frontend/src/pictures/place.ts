// Where the pointer is in a picture, in the picture's own pixels, however much it is enlarged.

interface Point {
  x: number;
  y: number;
}

export function placeIn(node: HTMLElement, event: MouseEvent): Point {
  const box = node.getBoundingClientRect();
  const scale = node.offsetWidth ? box.width / node.offsetWidth : 1;
  return { x: (event.clientX - box.left) / scale, y: (event.clientY - box.top) / scale };
}
