// What a test picture tells of itself: the stamp on its top eighth (capture/stamp.go) and its coloured objects
// (capture/pattern.go), read from the pixels on the screen.

const columns = 32;
const rows = 3;
const parts = 8; // the stamp takes this part of the height
const cell = 4; // pixels of our copy a cell, each way
const middle = 127; // a cell brighter than this is 1
const widest = 320; // pixels of the copy in which objects are looked for
const leastChroma = 40; // of an object's pixel
const nearest = 55; // a pixel this near to a colour, in U and V, has it
const leastPixels = 12;

// U and V less 128 of the objects, by class: red, blue, yellow, green, magenta, cyan, orange. The eighth is white, which the
// bands may also be.
const colours = [[-38, 112], [112, -18], [-112, 18], [-74, -94], [74, 94], [38, -112], [-78, 62]];

export class StampReader {
  #stamp = scratch(columns * cell, rows * cell);
  #scene = scratch(1, 1);

  // time is the capture time, Unix ms, and counter of the frame that an element (video or img) of that size shows; null if
  // there is no stamp on it.
  read(element, width, height) {
    const c = this.#stamp;
    c.drawImage(element, 0, 0, width, height / parts, 0, 0, columns * cell, rows * cell);
    const pixels = c.getImageData(0, 0, columns * cell, rows * cell).data;
    const bytes = new Uint8Array(columns * rows / 8);
    for (let i = 0; i < columns * rows; i++) {
      if (cellMean(pixels, i % columns, Math.floor(i / columns)) > middle) bytes[i >> 3] |= 0x80 >> (i & 7);
    }
    const view = new DataView(bytes.buffer);
    if (crc16(bytes.subarray(0, 10)) !== view.getUint16(10)) return null;
    return { counter: view.getUint32(0), time: view.getUint16(4) * 2 ** 32 + view.getUint32(6) };
  }

  // objects are the boxes of the coloured objects by class, in pixels of a picture of that size; undefined where there is
  // none.
  objects(element, width, height) {
    const scale = Math.min(1, widest / width);
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    const c = this.#scene;
    if (c.canvas.width !== w || c.canvas.height !== h) [c.canvas.width, c.canvas.height] = [w, h];
    c.drawImage(element, 0, 0, w, h);
    const top = Math.ceil(h / parts);
    const found = colours.map(() => ({ x: new Uint16Array(w), y: new Uint16Array(h), n: 0 }));
    const pixels = c.getImageData(0, top, w, h - top).data;
    for (let i = 0, p = 0; p < pixels.length; i++, p += 4) {
      const k = colourOf(pixels[p], pixels[p + 1], pixels[p + 2]);
      if (k < 0) continue;
      found[k].n++;
      found[k].x[i % w]++;
      found[k].y[top + Math.floor(i / w)]++;
    }
    return found.map((f) => {
      if (f.n < leastPixels) return undefined;
      const [x0, x1] = extent(f.x);
      const [y0, y1] = extent(f.y);
      return [(x0 * width) / w, (y0 * height) / h, (x1 * width) / w, (y1 * height) / h];
    });
  }
}

function scratch(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext('2d', { willReadFrequently: true });
}

// cellMean is the mean brightness of the middle of a cell, where coding and scaling blur least.
function cellMean(pixels, column, row) {
  let sum = 0;
  for (let y = 1; y < cell - 1; y++) {
    for (let x = 1; x < cell - 1; x++) {
      const p = ((row * cell + y) * columns * cell + column * cell + x) * 4;
      sum += 0.299 * pixels[p] + 0.587 * pixels[p + 1] + 0.114 * pixels[p + 2];
    }
  }
  return sum / (cell - 2) ** 2;
}

function colourOf(r, g, b) {
  const u = -0.148 * r - 0.291 * g + 0.439 * b;
  const v = 0.439 * r - 0.368 * g - 0.071 * b;
  if (Math.abs(u) < leastChroma && Math.abs(v) < leastChroma) return -1;
  return colours.findIndex(([cu, cv]) => Math.abs(u - cu) < nearest && Math.abs(v - cv) < nearest && Math.hypot(u - cu, v - cv) < nearest);
}

// extent is from where to where a side's counts are at least half of the largest.
function extent(counts) {
  const least = counts.reduce((a, b) => Math.max(a, b), 0) / 2;
  const first = counts.findIndex((n) => n >= least);
  let last = counts.length - 1;
  while (counts[last] < least) last--;
  return [first, last + 1];
}

// crc16 is CRC-16/CCITT-FALSE.
function crc16(data) {
  let crc = 0xffff;
  for (const b of data) {
    crc ^= b << 8;
    for (let i = 0; i < 8; i++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}

// overlap is the intersection over the union of two boxes.
export function overlap(a, b) {
  const side = (i) => Math.max(0, Math.min(a[i + 2], b[i + 2]) - Math.max(a[i], b[i]));
  const area = (r) => (r[2] - r[0]) * (r[3] - r[1]);
  const both = side(0) * side(1);
  return both / (area(a) + area(b) - both);
}
