// Boxes on the live picture: a canvas over the video, drawn in the callback that tells which frame is being shown.

import { Pen, trailTime } from './ink.js';
import { prefs } from './prefs.js';
import { duration } from './text.js';
import { tracksOn } from './tracks.js';

const trailStep = 80; // ms between a trail's points
const keepLatencies = 300;

export class Overlay {
  shown = 0; // frames
  aligned = 0; // of those, drawn with their own message
  latencies = []; // ms from capture to the screen, of the newest frames
  watcher = null; // called with what was done for each frame: the self-test

  #canvas;
  #context;
  #feed;
  #live;
  #video = null;
  #callback = 0;
  #meta = null; // of the frame on the screen
  #late = false; // that frame's own message has not come yet
  #trails = new Map(); // by track id
  #size = { width: 0, height: 0, dots: 1 }; // of the canvas in its own pixels, and those a CSS pixel
  #drawing = true;

  constructor(canvas, feed, live) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d');
    this.#feed = feed;
    this.#live = live;
    feed.arrived = (message) => {
      if (this.#late && message.rtp === this.#meta?.rtpTimestamp) this.redraw();
    };
    new ResizeObserver((entries) => this.#resize(entries.at(-1))).observe(canvas);
  }

  // follow draws on this video's frames from now on; null on none. drawing is false if the picture has its boxes already.
  // meta is what the browser told of the frame on the screen, if it is known.
  follow(video, drawing, meta = null) {
    this.#drawing = drawing;
    if (video !== this.#video) {
      this.#video?.cancelVideoFrameCallback?.(this.#callback);
      this.#video = video;
      this.#meta = null;
      this.#trails.clear();
      if (video?.requestVideoFrameCallback) this.#arm();
    }
    if (!video || !drawing) this.#clear();
    if (meta) {
      this.#meta = meta;
      this.redraw();
    }
  }

  // draws says whether this page draws the boxes of what it shows.
  get draws() {
    return this.#drawing;
  }

  // redraw draws once more on the frame on the screen: a choice has changed.
  redraw() {
    if (this.#video && this.#meta) this.#draw(this.#meta);
  }

  // resetFigures begins to count anew.
  resetFigures() {
    this.shown = this.aligned = 0;
    this.latencies.length = 0;
  }

  #arm() {
    const video = this.#video;
    this.#callback = video.requestVideoFrameCallback((now, meta) => {
      if (video !== this.#video) return;
      this.#arm();
      this.#meta = meta;
      const drawn = this.#draw(meta);
      this.#count(meta, drawn);
      this.watcher?.({ now, meta, drawn, video });
    });
  }

  #count(meta, drawn) {
    this.shown++;
    if (drawn?.aligned) this.aligned++;
    const at = meta.rtpTimestamp === undefined ? null : this.#feed.timeOf(meta.rtpTimestamp);
    if (at === null) return;
    const latency = performance.timeOrigin + meta.expectedDisplayTime + this.#live.clock.offset - at;
    this.latencies.push(latency);
    if (this.latencies.length > keepLatencies) this.latencies.shift();
  }

  // draw draws the boxes that belong to a frame and returns what tracksOn chose.
  #draw(meta) {
    const drawn = meta.rtpTimestamp === undefined ? null : tracksOn(this.#feed, meta.rtpTimestamp, prefs.mode);
    this.#late = !drawn?.aligned;
    this.#clear();
    if (!drawn || !this.#drawing || !prefs.boxes || this.#size.width === 0) return drawn;
    const tracks = prefs.hidden.length ? drawn.tracks.filter((t) => !prefs.hidden.includes(this.#feed.className(t.class))) : drawn.tracks;
    drawn.tracks = tracks;
    const pen = new Pen(this.#context, this.#place(drawn.size), this.#size.dots);
    this.#drawTrails(pen, tracks, drawn.at);
    const rects = tracks.map((t) => pen.rect(t));
    tracks.forEach((t, i) => {
      if (!rects[i]) return;
      pen.box(t, rects[i]);
      pen.arrow(t);
    });
    if (!prefs.labels) return drawn;
    tracks.forEach((t, i) => { // on top of all boxes
      if (rects[i]) pen.label(this.#labelOf(t), t, rects[i]);
    });
    return drawn;
  }

  #drawTrails(pen, tracks, at) {
    if (!prefs.trails) {
      this.#trails.clear();
      return;
    }
    for (const t of tracks) {
      const points = this.#trails.get(t.id) || [];
      this.#trails.set(t.id, points);
      const last = points.at(-1);
      if (last && at < last.at) points.length = 0;
      if (!last || at - last.at >= trailStep) points.push({ at, x: (t.box[0] + t.box[2]) / 2, y: (t.box[1] + t.box[3]) / 2 });
      while (points.length && at - points[0].at > trailTime) points.shift();
      pen.trail(points, t.class, at);
    }
    for (const [id, points] of this.#trails) {
      if (!points.length || at - points.at(-1).at > trailTime) this.#trails.delete(id);
    }
  }

  // labelOf writes what the server's overlay writes: "person 12 · 2:15  87%".
  #labelOf(t) {
    let text = this.#feed.className(t.class) || `class ${t.class}`;
    if (t.id) text += ` ${t.id}`;
    if (t.stationary && t.stationary_for !== undefined) text += ` · ${duration(t.stationary_for, true)}`;
    if (prefs.scores) text += `  ${Math.round(t.score * 100)}%`;
    return text;
  }

  // place is where a picture of this size lies on the canvas: all of it, in the middle (object-fit: contain).
  #place(size) {
    const { width, height } = this.#size;
    const scale = Math.min(width / size[0], height / size[1]);
    const [w, h] = [size[0] * scale, size[1] * scale];
    return { left: (width - w) / 2, top: (height - h) / 2, width: w, height: h, scale };
  }

  #clear() {
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  // resize gives the canvas a pixel for each of the screen's.
  #resize(entry) {
    const exact = entry.devicePixelContentBoxSize?.[0];
    const about = Math.round(entry.contentRect.width * devicePixelRatio);
    const known = exact && Math.abs(exact.inlineSize - about) <= 1; // an emulated phone tells something else
    const width = known ? exact.inlineSize : about;
    const height = known ? exact.blockSize : Math.round(entry.contentRect.height * devicePixelRatio);
    if (width === this.#size.width && height === this.#size.height) return;
    this.#size = { width, height, dots: width ? width / entry.contentRect.width : 1 };
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.redraw();
  }
}

// quantile of numbers that need not be sorted; null of none.
export function quantile(numbers, q) {
  if (!numbers.length) return null;
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

