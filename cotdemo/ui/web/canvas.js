// Drawing images and token grids on canvases.

const images = new Map(); // data URL -> decoded image; emptied when a new run begins

// Calls `draw` with the image, now if it is decoded already, otherwise once it is.
export function withImage(url, draw) {
  if (typeof url !== "string" || !url.startsWith("data:image/")) return;
  let entry = images.get(url);
  if (!entry) {
    const image = new Image();
    entry = { image, ready: false };
    image.src = url;
    entry.promise = image.decode().then(() => { entry.ready = true; }, () => {});
    images.set(url, entry);
  }
  if (entry.ready) draw(entry.image);
  else entry.promise.then(() => entry.ready && draw(entry.image));
}

export function forgetImages() {
  images.clear();
}

export function readColours(element) {
  const style = getComputedStyle(element);
  const colour = (name) => style.getPropertyValue(`--cot-${name}`).trim();
  return { veil: colour("veil"), veilEdge: colour("veil-edge"), hole: colour("hole"), holeEdge: colour("hole-edge"), fresh: colour("fresh"), freshEdge: colour("fresh-edge") };
}

// Canvas pixels per side: a whole number of pixels for each token, so that squares are sharp.
export function canvasSide(wanted, columns) {
  return Math.max(1, Math.round(wanted / columns)) * columns;
}

// The decoded guess, with translucent squares over the tokens that are still masked.
export function drawGuess(canvas, url, masked, grid, colours) {
  withPen(canvas, url, (pen, image, side) => {
    drawPicture(pen, image, side, colours);
    if (!masked) return;
    eachToken(masked, grid, side, (x, y, size, isMasked) => {
      if (!isMasked) return;
      pen.fillStyle = colours.veil;
      pen.fillRect(x, y, size, size);
      pen.strokeStyle = colours.veilEdge;
      pen.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
    });
  });
}

// What is settled so far: kept tokens show their part of the image, masked ones are holes, and the tokens kept in
// this very step are framed, the stronger the surer they were.
export function drawKept(canvas, url, masked, fresh, confidence, grid, colours) {
  withPen(canvas, url, (pen, image, side) => {
    drawPicture(pen, image, side, colours);
    eachToken(masked, grid, side, (x, y, size, isMasked, index) => {
      if (isMasked) {
        pen.fillStyle = colours.hole;
        pen.fillRect(x, y, size, size);
        pen.strokeStyle = colours.holeEdge;
        pen.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
      } else if (fresh[index]) {
        const width = Math.max(1, side / 170);
        pen.globalAlpha = 0.3 + (0.7 * confidence[index]) / 255;
        frame(pen, x, y, size, width, 2.6 * width, colours.freshEdge); // seen on dark images
        frame(pen, x, y, size, width, 1.4 * width, colours.fresh); // and on light ones
        pen.globalAlpha = 1;
        pen.lineWidth = 1;
      }
    });
  });
}

function frame(pen, x, y, size, inset, width, colour) {
  pen.lineWidth = width;
  pen.strokeStyle = colour;
  pen.strokeRect(x + inset * 1.5, y + inset * 1.5, size - 3 * inset, size - 3 * inset);
}

export function clear(canvas) {
  if (canvas.drawn === undefined) return; // nothing was ever drawn: asking for its pen would make a layer of its own
  canvas.drawn = null;
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

function withPen(canvas, url, draw) {
  canvas.drawn = url; // an image that is decoded late must not cover a newer one
  if (!url) return draw(canvas.getContext("2d"), null, canvas.width); // a step nobody decoded: its mask alone
  withImage(url, (image) => {
    if (canvas.drawn !== url) return;
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.clearRect(0, 0, canvas.width, canvas.height);
    draw(pen, image, canvas.width);
    canvas.shown = url;
  });
}

function drawPicture(pen, image, side, colours) {
  if (image) return pen.drawImage(image, 0, 0, side, side);
  pen.fillStyle = colours.veilEdge;
  pen.fillRect(0, 0, side, side);
}

function eachToken(masked, [, columns], side, visit) {
  const size = side / columns;
  masked.forEach((isMasked, index) => {
    visit((index % columns) * size, Math.floor(index / columns) * size, size, isMasked, index);
  });
}
