// Drawing that depends on an element's width: what it is given to show is drawn at once, and again at every new width.

// `paint(shown, width)` draws into `element`. It is never called without something to show, nor while the element has no
// width, as in a tab that is not open; and for a new width in a frame of its own, since what is drawn may move others.
export class Fitted {
  constructor(element, paint) {
    this.element = element;
    this.paint = paint;
    this.shown = null;
    this.width = 0; // at which it was drawn last
    this.frame = null;
    new ResizeObserver(() => { this.frame ??= requestAnimationFrame(() => this.resized()); }).observe(element);
  }

  // `shown` is anything that `paint` takes; null where there is nothing, so that nothing old comes back.
  draw(shown) {
    this.shown = shown;
    this.width = shown === null ? 0 : this.element.clientWidth;
    if (this.width) this.paint(shown, this.width);
  }

  resized() {
    this.frame = null;
    if (this.element.clientWidth !== this.width) this.draw(this.shown);
  }
}
