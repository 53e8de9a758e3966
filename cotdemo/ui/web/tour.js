// The tour: a small dialog that goes from element to element of a recorded run, and the offer of it to new visitors.

import { make, setText, toggle } from "./dom.js";

const KEY = "cotdemo-tour"; // remembered: whether the tour was taken or turned down
const PATIENCE = 8000; // milliseconds to wait for the recorded run to be on show
const GAP = 12; // pixels between what is shown and the dialog

// `props.offer` only offers it, where nothing of it has been remembered. `props.tour` is what cotdemo/ui/learn.py makes of the recorded runs: {run, prompt, stops}, or {} where there is none.
export function mountTour(element, props) {
  const { tour } = props;
  const open = tour.stops ? () => begin(tour) : null;
  if (props.offer) {
    const purpose = /[?&](prompt|run)=/.test(location.search); // who follows a link has come for that
    if (open && !purpose && !remembered()) invite(open);
    return;
  }
  element.replaceChildren(make(
    "div", { class: "cot cot-tour-start" },
    make("div", {}, make("h2", {}, "See it happen"), make("p", {}, open ? "A tour of a recorded run, stop by stop. It takes two minutes and needs no model." : "There is no recorded run of this backend to show.")),
    open ? make("button", { type: "button", class: "cot-tour-go", onclick: open }, "Take the tour") : null,
  ));
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // no storage: it is offered again next time
  }
}

function remember(what) {
  try {
    localStorage.setItem(KEY, what);
  } catch {
    // as above
  }
}

// At the end of the row of tabs, where nothing else stands; on a phone at the lower edge. Nothing moves, and nothing has to
// be answered.
function invite(open) {
  const leave = () => { remember("declined"); box.remove(); };
  const box = make(
    "aside", { class: "cot cot-invitation", "aria-label": "Tour" },
    make("strong", {}, "New here?", make("span", {}, " See in two minutes how it thinks.")),
    make("button", { type: "button", class: "cot-tour-go", onclick: () => { box.remove(); open(); } }, "Take the tour"),
    make("button", { type: "button", onclick: leave }, "No, thanks"),
  );
  let busy = false; // who is at work already is not in need of it
  addEventListener("pointerdown", ({ target }) => {
    if (!target.closest("#cot-page")) return;
    busy = true;
    box.remove();
  }, { capture: true });
  const place = () => document.querySelector(".cot-heading"); // may be mounted later than the stage
  const rested = () => document.querySelector('.cot-show[data-part="rest"]') && place();
  until(rested).then(() => busy || place()?.append(box)); // first things first
}

async function begin(tour) {
  const back = document.activeElement;
  document.querySelector(".cot-invitation")?.remove();
  document.querySelector(".cot-guess input:checked")?.click(); // the tour tells the end
  document.querySelector('#cot-tabs [role="tab"]')?.click();
  const card = document.querySelector(`#gallery button[data-name="${tour.run}"]`);
  if (card && card.getAttribute("aria-current") !== "true") card.click();
  const there = () => document.querySelector(".cot-prompt")?.textContent === tour.prompt && document.querySelector(tour.stops[0].target);
  if (!(await until(there))) return; // a run is under way: the page says so itself
  new Dialog(tour.stops, back).show(0);
}

function until(done) {
  const since = performance.now();
  return new Promise((resolve) => {
    const look = () => {
      if (done()) resolve(true);
      else if (performance.now() - since > PATIENCE) resolve(false);
      else setTimeout(look, 60);
    };
    look();
  });
}

// Where the dialog goes, always inside the window: into the form's `column` where what is shown stands beside that, as the
// tour speaks of nothing in it; else below what is shown, or above it, or over its lower end.
export function beside(target, dialog, view, column = null) {
  if (column && column.right <= target.left) return { left: column.left, top: Math.max(Math.min(target.top, view.height - dialog.height - GAP), GAP) };
  const left = Math.min(Math.max(target.left, GAP), Math.max(view.width - dialog.width - GAP, GAP));
  const below = target.bottom + GAP;
  const above = target.top - GAP - dialog.height;
  const top = below + dialog.height <= view.height - GAP ? below : above >= GAP ? above : view.height - dialog.height - GAP;
  return { left, top };
}

class Dialog {
  constructor(stops, back) {
    this.stops = stops;
    this.back = back;
    this.title = make("h2", { id: "cot-tour-title" });
    this.text = make("p", { id: "cot-tour-text" });
    this.count = make("span", { class: "cot-note" });
    this.before = make("button", { type: "button", onclick: () => this.show(this.at - 1) }, "Back");
    this.next = make("button", { type: "button", class: "cot-tour-go", onclick: () => this.show(this.at + 1) }, "Next");
    this.skip = make("button", { type: "button", onclick: () => this.end("skipped") }, "Skip");
    this.light = make("div", { class: "cot-spotlight", "aria-hidden": "true" });
    this.element = make(
      "div", { class: "cot cot-tour", role: "dialog", "aria-modal": "true", "aria-labelledby": "cot-tour-title", "aria-describedby": "cot-tour-text", tabindex: "-1" },
      this.title, this.text, make("div", { class: "cot-tour-foot" }, this.count, this.skip, this.before, this.next),
    );
    this.element.addEventListener("keydown", (event) => this.pressed(event));
    document.body.append(this.light, this.element);
    this.follow = () => { this.place(); this.frame = requestAnimationFrame(this.follow); };
  }

  show(at) {
    if (at >= this.stops.length) return this.end("taken");
    this.at = Math.max(at, 0);
    const stop = this.stops[this.at];
    if (stop.place) goTo(stop.place);
    setText(this.title, stop.title);
    setText(this.text, stop.text);
    setText(this.count, `${this.at + 1} of ${this.stops.length}`);
    toggle(this.before, this.at > 0);
    setText(this.next, this.at + 1 === this.stops.length ? "Done" : "Next");
    this.target = document.querySelector(stop.target);
    this.target?.scrollIntoView({ block: "center", inline: "nearest" });
    this.element.focus({ preventScroll: true });
    cancelAnimationFrame(this.frame);
    this.follow();
  }

  // The page may scroll and change its size under the dialog.
  place() {
    if (!this.target) return;
    const box = this.target.getBoundingClientRect();
    const column = document.querySelector("#cot-side").getBoundingClientRect();
    this.element.style.maxWidth = column.right <= box.left ? `${column.width}px` : "";
    const own = this.element.getBoundingClientRect();
    const { left, top } = beside(box, own, { width: innerWidth, height: innerHeight }, column);
    Object.assign(this.light.style, { left: `${box.left - 4}px`, top: `${box.top - 4}px`, width: `${box.width + 8}px`, height: `${box.height + 8}px` });
    Object.assign(this.element.style, { left: `${left}px`, top: `${top}px` });
  }

  pressed(event) {
    const buttons = [this.skip, this.before, this.next].filter((button) => !button.hidden);
    if (event.key === "Escape") this.end("skipped");
    else if (event.key === "ArrowRight") this.show(this.at + 1);
    else if (event.key === "ArrowLeft") this.show(this.at - 1);
    else if (event.key === "Tab") {
      const now = buttons.indexOf(document.activeElement);
      const to = (now + (event.shiftKey ? -1 : 1) + buttons.length) % buttons.length;
      buttons[now < 0 ? (event.shiftKey ? buttons.length - 1 : 0) : to].focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  end(how) {
    remember(how);
    cancelAnimationFrame(this.frame);
    this.light.remove();
    this.element.remove();
    if (this.back?.isConnected && this.back.offsetParent) this.back.focus();
    else document.querySelector("#prompt textarea")?.focus({ preventScroll: true });
  }
}

// What a visitor would do: the round's button, then the cell.
function goTo([round, path, step]) {
  document.querySelectorAll("#viewer .cot-tabs button")[round]?.click();
  document.querySelector(`#viewer td[data-path="${path}"][data-step="${step}"]`)?.click();
}
