// How boxes, labels, arrows and trails look: as the server draws them (pipeline/ink.go, label.go, overlay.go, arrow.go), but
// in the screen's own pixels.

const goldenTurn = 0.61803398875; // of the colour wheel, from one class to the next
const firstHue = 0.36; // class 0, a person in most models, is green
const minLuma = 135;
const maxLuma = 205;
const casing = 'rgb(0 0 0 / 0.4)';
const letters = 'rgb(12 14 18)';
const predictedAlpha = 0.75;
const linePart = 240; // of the shorter side
const letterPart = 36;
const arrowAhead = 0.5; // s
const faintSpeed = 0.15; // box sizes a second
const clearSpeed = 0.35;
const trailTime = 4000; // ms

const inks = new Map();

// ink is a class's colour as CSS has it.
export function ink(number) {
  let colour = inks.get(number);
  if (!colour) inks.set(number, colour = classColour(Math.max(0, number)));
  return colour;
}

function classColour(number) {
  const hue = (firstHue + goldenTurn * number) % 1;
  const saturation = [0.92, 0.62, 0.78][Math.floor(number / 12) % 3];
  const channel = (shift) => {
    const k = (shift + hue * 6) % 6;
    return 255 * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)));
  };
  let rgb = [channel(5), channel(3), channel(1)];
  const luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
  if (luma < minLuma) rgb = rgb.map((v) => v + ((255 - v) * (minLuma - luma)) / (255 - luma));
  else if (luma > maxLuma) rgb = rgb.map((v) => (v * maxLuma) / luma);
  return `rgb(${rgb.map(Math.round).join(' ')})`;
}

// Pen draws on a canvas whose picture has its upper left corner at (left, top) and is scale canvas pixels a source pixel.
export class Pen {
  constructor(context, place, dots) {
    this.c = context;
    this.place = place; // {left, top, scale, width, height}
    const short = Math.min(place.width, place.height);
    this.dots = dots; // canvas pixels a CSS pixel
    this.line = Math.max(2 * dots, Math.round(short / linePart));
    this.letter = Math.round(Math.max(11 * dots, Math.min(short / letterPart, 22 * dots)));
  }

  // rect is a track's box in canvas pixels, cut to the picture; null if nothing of it is there.
  rect(t) {
    const { left, top, scale, width, height } = this.place;
    const cut = (v, side) => Math.round(Math.max(0, Math.min(v * scale, side)));
    const [x0, y0, x1, y1] = [cut(t.box[0], width), cut(t.box[1], height), cut(t.box[2], width), cut(t.box[3], height)];
    return x1 > x0 && y1 > y0 ? { x: left + x0, y: top + y0, w: x1 - x0, h: y1 - y0 } : null;
  }

  box(t, r) {
    const c = this.c;
    const w = this.line;
    const inner = [r.x + w / 2, r.y + w / 2, Math.max(1, r.w - w), Math.max(1, r.h - w)];
    c.setLineDash(t.predicted ? [4 * w, 3 * w] : []);
    c.globalAlpha = 1;
    c.lineWidth = w + 2 * this.dots;
    c.strokeStyle = casing;
    c.strokeRect(...inner);
    c.globalAlpha = t.predicted ? predictedAlpha : 1;
    c.lineWidth = w;
    c.strokeStyle = ink(t.class);
    c.strokeRect(...inner);
    c.setLineDash([]);
    c.globalAlpha = 1;
  }

  // arrow points from the middle of a moving object to where that will be in half a second.
  arrow(t) {
    const [x0, y0, x1, y1] = t.box;
    const speed = Math.hypot(t.vx, t.vy);
    const k = (speed / ((x1 - x0 + y1 - y0) / 2) - faintSpeed) / (clearSpeed - faintSpeed);
    if (t.stationary || t.predicted || !(k > 0)) return;
    const { left, top, scale, width, height } = this.place;
    const length = Math.min(speed * arrowAhead * scale, Math.min(width, height));
    if (length < 2 * this.line) return;
    const from = [left + ((x0 + x1) / 2) * scale, top + ((y0 + y1) / 2) * scale];
    const [dx, dy] = [t.vx / speed, t.vy / speed];
    const head = Math.min(0.35 * length, 4 * this.line);
    const to = [from[0] + dx * length, from[1] + dy * length];
    const neck = [to[0] - dx * head, to[1] - dy * head];
    const c = this.c;
    c.globalAlpha = Math.min(k, 1);
    c.beginPath();
    c.moveTo(...from);
    c.lineTo(...to);
    c.moveTo(neck[0] + (dy * head) / 2, neck[1] - (dx * head) / 2);
    c.lineTo(...to);
    c.lineTo(neck[0] - (dy * head) / 2, neck[1] + (dx * head) / 2);
    this.#cased(this.line, ink(t.class));
  }

  // trail joins where an object was: points of {at, x, y} in source pixels, the newest last.
  trail(points, number, now) {
    const { left, top, scale } = this.place;
    const c = this.c;
    c.lineCap = c.lineJoin = 'round';
    c.lineWidth = this.line;
    c.strokeStyle = ink(number);
    for (let i = 1; i < points.length; i++) {
      c.globalAlpha = Math.max(0, 0.8 * (1 - (now - points[i].at) / trailTime));
      c.beginPath();
      c.moveTo(left + points[i - 1].x * scale, top + points[i - 1].y * scale);
      c.lineTo(left + points[i].x * scale, top + points[i].y * scale);
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  // label stands above its box, or inside it where there is no room above.
  label(text, t, r) {
    const c = this.c;
    const pad = Math.max(2, Math.round(this.letter / 4));
    c.font = `500 ${this.letter}px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif`;
    c.textBaseline = 'alphabetic';
    const w = Math.ceil(c.measureText(text).width) + 2 * pad;
    const h = Math.round(this.letter * 1.25) + pad;
    const { left, top, width, height } = this.place;
    let y = r.y - h;
    if (y < top) y = r.y + this.line;
    const x = Math.max(left, Math.min(r.x, left + width - w));
    y = Math.max(top, Math.min(y, top + height - h));
    c.fillStyle = casing;
    c.fillRect(x - this.dots, y - this.dots, w + 2 * this.dots, h + 2 * this.dots);
    c.fillStyle = ink(t.class);
    c.fillRect(x, y, w, h);
    c.fillStyle = letters;
    c.fillText(text, x + pad, y + h - pad / 2 - Math.round(this.letter * 0.25));
  }

  #cased(width, colour) {
    const c = this.c;
    c.lineCap = c.lineJoin = 'round';
    c.lineWidth = width + 2 * this.dots;
    c.strokeStyle = casing;
    c.stroke();
    c.lineWidth = width;
    c.strokeStyle = colour;
    c.stroke();
    c.globalAlpha = 1;
    c.lineCap = 'butt';
    c.lineJoin = 'miter';
  }
}

export { trailTime };
