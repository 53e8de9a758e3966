// Charts side by side, with their legend and their numbers as a table.

import { make, setAttribute } from "./dom.js";
import { Plot } from "./plot.js";
import { sample, seriesOf } from "./series.js";

// Charts that belong together: one legend that hides and shows lines in all, and a point marked in one is marked in all.
export class Charts {
  // `charts` are [{title, about}]; `say(at, name, shown)` is what the card tells of the points at `at`.
  constructor(charts, card, say) {
    this.hidden = new Set();
    this.legend = make("div", { class: "cot-legend-row", role: "group", "aria-label": "Lines shown" });
    this.plots = charts.map(({ title, about }) => new Plot({ title, about, onPoint: (point, box) => this.point(point, box) }));
    this.grid = make("div", { class: "cot-charts" }, ...this.plots.map((plot) => plot.element));
    this.numbers = make("div", { class: "cot-numbers", tabindex: 0, role: "region", "aria-label": "The numbers of the charts" }); // scrolls sideways
    this.element = make("div", {}, this.legend, this.grid, make("details", { class: "cot-numbers-fold" }, make("summary", {}, "The numbers as a table"), this.numbers));
    this.card = card;
    this.say = say;
  }

  // `drawn` has for each chart what Plot.draw takes; `table` is the same in numbers.
  draw(drawn, table) {
    this.drawn = drawn;
    const names = [...new Set(drawn.flatMap(({ series }) => series.map(({ name }) => name)))];
    this.legend.replaceChildren(...names.map((name) => this.entry(name)));
    this.numbers.replaceChildren(table);
    this.show();
  }

  entry(name) {
    const style = seriesOf(name);
    const button = make("button", { type: "button", class: "cot-entry", "aria-pressed": String(!this.hidden.has(name)) }, sample(style), style.label);
    button.addEventListener("click", () => {
      if (!this.hidden.delete(name)) this.hidden.add(name);
      setAttribute(button, "aria-pressed", String(!this.hidden.has(name)));
      this.show();
    });
    return button;
  }

  show() {
    this.shown = this.drawn.map((one) => ({ ...one, series: one.series.filter(({ name }) => !this.hidden.has(name)) }));
    this.plots.forEach((plot, index) => plot.draw(this.shown[index]));
  }

  point(point, box) {
    for (const plot of this.plots) plot.mark(point);
    if (point) this.card.show(this, box, false, ...this.say(point.at, point.name, this.shown));
    else this.card.leave(this);
  }
}
