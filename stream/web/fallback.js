// A picture without WebRTC: MJPEG, or stills that are asked for again and again. They go through HTTP, so they pass where
// the page itself passed.

const pictureLimit = 5000; // ms until MJPEG without a picture counts as failed
const stillEvery = 1000; // ms between stills
const stillLimit = 8000; // ms to wait for one
const mjpegFPS = 10;
const widest = 1280; // pixels to ask for
const retryMJPEG = 60000; // ms until MJPEG is tried again after it failed
const checkEvery = 200; // ms

export class Fallback {
  via = ''; // 'mjpeg' or 'snapshots' while it is at work
  showing = false; // a picture has come
  count = 0; // of stills that came

  #img;
  #base;
  #changed;
  #timer = null;
  #boxes = true;
  #mjpegFailed = -Infinity;
  #run = 0; // tells an answer to this run from one to an earlier one

  constructor(img, base, changed) {
    this.#img = img;
    this.#base = base;
    this.#changed = changed;
  }

  // use has pictures shown from now on: MJPEG if wanted and it works, else stills.
  use(mjpeg, boxes) {
    const via = mjpeg && performance.now() - this.#mjpegFailed > retryMJPEG ? 'mjpeg' : 'snapshots';
    if (via === this.via && boxes === this.#boxes) return;
    this.#boxes = boxes;
    this.#begin(via);
  }

  stop() {
    if (!this.via) return;
    this.#run++;
    clearTimeout(this.#timer);
    this.via = '';
    this.showing = false;
    this.#img.removeAttribute('src'); // ends the stream
    this.#img.hidden = true;
  }

  #begin(via) {
    const run = ++this.#run;
    clearTimeout(this.#timer);
    this.via = via;
    this.showing = false;
    this.#img.removeAttribute('src');
    this.#img.hidden = true;
    if (via === 'mjpeg') this.#stream(run);
    else this.#still(run);
    this.#changed();
  }

  #address(what, more) {
    const width = Math.round(Math.min(widest, (this.#img.parentElement.clientWidth || widest) * devicePixelRatio));
    return `${this.#base}/${what}?${more}width=${Math.max(160, width)}&boxes=${this.#boxes ? 1 : 0}&t=${Date.now()}`;
  }

  #stream(run) {
    const img = this.#img;
    const began = performance.now();
    const fail = () => {
      if (run !== this.#run) return;
      this.#mjpegFailed = performance.now();
      this.#begin('snapshots');
    };
    const look = () => { // no event tells the first picture of a stream in every browser
      if (run !== this.#run) return;
      if (img.naturalWidth > 0) this.#shown();
      else if (performance.now() - began > pictureLimit) fail();
      else this.#timer = setTimeout(look, checkEvery);
    };
    img.onload = null;
    img.onerror = fail;
    img.src = this.#address('stream.mjpeg', `fps=${mjpegFPS}&`);
    look();
  }

  // still asks for the next still; the one before stays until it is here.
  async #still(run) {
    const next = new Image();
    next.src = this.#address('snapshot.jpg', '');
    const came = await Promise.race([
      next.decode().then(() => true, () => false),
      new Promise((resolve) => { setTimeout(resolve, stillLimit, false); }),
    ]);
    if (run !== this.#run) return;
    if (came) {
      this.count++;
      this.#img.onerror = null;
      this.#img.src = next.src; // in the browser's memory by now
      this.#shown();
    } else {
      this.#missed();
    }
    this.#timer = setTimeout(() => this.#still(run), stillEvery);
  }

  #shown() {
    this.#img.hidden = false;
    if (this.showing) return;
    this.showing = true;
    this.#changed();
  }

  #missed() {
    if (!this.showing) return;
    this.showing = false;
    this.#changed();
  }
}
