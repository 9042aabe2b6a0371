// jsdom has no canvas; pictures then skip the pixels and guess the width of texts.
HTMLCanvasElement.prototype.getContext = () => null;

// Nor does it lay anything out that could be scrolled to.
Element.prototype.scrollIntoView = () => {};
