// The live picture of one camera: WHEP, connected again whenever it is lost. A connection that shall replace one that
// stands does so with its first picture, so that nobody sees the change.

import { asking } from './early.js';
import { load, store } from './prefs.js';
import { readStats } from './stats.js';
import { t } from './strings.js';
import { Session } from './whep.js';

const firstWait = 500; // ms until the first new try
const longestWait = 15000; // ms between later tries
const pictureLimit = 12000; // ms from a connection's start to its first picture
const stallLimit = 6000; // ms without a new picture, though the server sends some, until the connection counts as lost
const stallFrames = 3; // pictures that may fail to come from a slow camera, likewise
const tellingFrames = 5; // pictures after which a browser that told no RTP timestamp will not tell one
const blindKey = 'yfv2d.no-rtp-timestamp'; // holds the browser that tells none

// Boxes can be drawn here only in a browser that tells which frame is being shown.
let blind = !HTMLVideoElement.prototype.requestVideoFrameCallback || load(blindKey, '') === navigator.userAgent;

// drawsHere says whether this browser can match pictures and messages.
export const drawsHere = () => !blind;

export class Player {
  state = 'idle'; // idle, connecting, playing, waiting
  reason = ''; // of waiting, for people
  rendition = ''; // of the picture that is shown, as it was asked for
  mode = '';
  stats = null; // the newest figures of the receiver, see readStats
  firstPicture = null; // page time, ms

  #current = null; // the link that is shown: {session, video, rendition, mode}
  #next = null; // the one that is being made
  #want = { rendition: 'clean', mode: 'low_latency' };
  #wanted = false;
  #wait = firstWait;
  #timer = null;
  #cameraLive = true; // until it is known better: a page that has just opened shall lose no time
  #progressAt = 0;
  #patience = stallLimit;
  #sending = true;
  #hold = null; // ms to hold pictures back, where the server cannot say it

  // video is the element to show, url the WHEP endpoint, servers gives the ICE servers. changed is called when state or
  // reason change, shown when another video element has taken the place of the first, with what the browser tells
  // of the frame on it.
  constructor({ video, url, servers, changed, shown }) {
    this.video = video;
    this.url = url;
    this.servers = servers;
    this.changed = changed;
    this.shown = shown;
  }

  // want says what to ask the server for; a picture of something else is replaced.
  want(rendition, mode) {
    if (this.#want.rendition === rendition && this.#want.mode === mode) return;
    this.#want = { rendition, mode };
    if (!this.#wanted || this.state === 'idle' || this.state === 'waiting') return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  start() {
    this.#wanted = true;
    this.#progressAt = performance.now();
    if (this.state === 'idle' || this.state === 'waiting') {
      this.#wait = firstWait;
      this.#connect();
    }
  }

  stop() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#drop();
    this.#set('idle', '');
  }

  // camera tells whether the server has frames of this camera. While it has none no new connection is tried (it would
  // be refused); one that stands is kept. A camera that comes back is tried at once. viewers and fps are what the
  // server sends to.
  camera(live, viewers, fps) {
    this.#sending = live && (fps > 0 || viewers === 0); // none of its viewers is us: then it lost us
    this.#patience = Math.max(stallLimit, fps > 0 ? (stallFrames * 1000) / fps : 0);
    const back = live && !this.#cameraLive;
    this.#cameraLive = live;
    if (!back) return;
    this.#progressAt = performance.now();
    if (this.state === 'waiting' && this.#wanted) this.start();
  }

  // networkChanged looks for another way to the server at once: the old one may be gone, and nothing told so yet.
  networkChanged() {
    this.#current?.session.restart();
  }

  // holdBack asks for pictures this many ms late, for the exact mode.
  holdBack(ms) {
    this.#hold = ms;
    const session = this.#current?.session;
    if (!session || session.holdsBack || this.#current.mode !== 'exact' || ms === null) return;
    const receiver = session.receiver;
    const target = Math.min(4000, Math.ceil(ms / 10) * 10);
    if (receiver && 'jitterBufferTarget' in receiver && receiver.jitterBufferTarget !== target) receiver.jitterBufferTarget = target;
  }

  // measure reads the receiver's figures, and notices a picture that stands still.
  async measure() {
    const link = this.#current;
    if (!link) {
      this.stats = null;
      return;
    }
    const before = link.stats;
    const now = await readStats(link.session.pc, before).catch(() => null);
    if (link !== this.#current || !now) return;
    this.stats = link.stats = now;
    if (!before || now.frames > before.frames || !this.#sending) {
      this.#progressAt = performance.now();
    } else if (performance.now() - this.#progressAt > this.#patience) {
      this.#lost(link, t('player.still'));
    }
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#close(this.#next);
    this.#next = null;
    if (!this.#cameraLive) {
      this.#drop();
      this.#set('waiting', '');
      return;
    }
    if (!this.#current) this.#set('connecting', this.reason);
    const link = { ...this.#want, stats: null, video: this.#stage() };
    if (blind && link.rendition === 'clean') link.rendition = 'annotated';
    this.#next = link;
    link.session = new Session({
      url: asking(this.url, link.rendition, link.mode),
      servers: this.servers(),
      track: (stream) => this.#play(link, stream),
      ended: (why) => this.#lost(link, t(`player.${why}`)),
    });
    link.limit = setTimeout(() => this.#lost(link, t('player.nothing')), pictureLimit);
    link.session.open().catch((err) => this.#lost(link, err.name === 'TimeoutError' ? t('player.silent') : err.message || t('player.failed')));
  }

  // stage is the element for a new connection: the one that is shown if it has no picture yet or must stay (it plays in
  // a window of its own), else one behind it.
  #stage() {
    const pinned = document.pictureInPictureElement === this.video || this.video.webkitDisplayingFullscreen;
    if (!this.#current || pinned) return this.video;
    const video = this.video.cloneNode();
    video.srcObject = null;
    video.classList.add('pending');
    this.video.after(video);
    return video;
  }

  #play(link, stream) {
    if (link !== this.#next) return;
    const { video } = link;
    video.srcObject = stream;
    video.muted = true;
    video.play().catch(() => {}); // a muted video may always play; an interrupted call is no fault
    if (!video.requestVideoFrameCallback) {
      video.addEventListener('playing', () => this.#show(link), { once: true });
      return;
    }
    let frames = 0;
    const look = (now, meta) => {
      if (link === this.#next) this.#show(link, meta);
      if (link !== this.#current || meta.rtpTimestamp !== undefined) return;
      if (++frames < tellingFrames) video.requestVideoFrameCallback(look);
      else this.#blinded();
    };
    video.requestVideoFrameCallback(look);
  }

  // show puts a link with a picture in the place of the one before it.
  #show(link, meta = null) {
    if (link !== this.#next) return;
    this.firstPicture ??= meta?.expectedDisplayTime ?? performance.now();
    const old = this.#current;
    clearTimeout(link.limit);
    this.#current = link;
    this.#next = null;
    this.rendition = link.rendition;
    this.mode = link.mode;
    this.#progressAt = performance.now();
    this.#wait = firstWait;
    if (link.video !== this.video) {
      link.video.classList.remove('pending');
      this.video.srcObject = null;
      this.video.remove();
      this.video = link.video;
    }
    old?.session.close();
    this.holdBack(this.#hold);
    this.shown(this.video, meta);
    this.#set('playing', '');
    this.changed();
  }

  // blinded remembers that this browser tells no RTP timestamps, and asks for pictures that have their boxes.
  #blinded() {
    blind = true;
    store(blindKey, navigator.userAgent);
    if (this.#current?.rendition === 'clean') this.#connect();
    this.changed();
  }

  #lost(link, reason) {
    if (link === this.#next) {
      this.#close(link);
      this.#next = null;
    } else if (link === this.#current) {
      link.session.close();
      this.#current = null;
      this.stats = null;
    } else {
      return;
    }
    if (!this.#wanted) return;
    if (!this.#current) this.#set(this.#next ? 'connecting' : 'waiting', reason);
    if (this.#next) return;
    clearTimeout(this.#timer);
    const wait = this.#wait * (0.8 + 0.4 * Math.random()); // many pages shall not come back in the same moment
    this.#wait = Math.min(this.#wait * 2, longestWait);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #drop() {
    this.#close(this.#next);
    this.#current?.session.close();
    this.#current = this.#next = null;
    this.stats = null;
  }

  // close ends a link that was never shown.
  #close(link) {
    if (!link) return;
    clearTimeout(link.limit);
    link.session.close();
    if (link.video !== this.video) link.video.remove();
  }

  #set(state, reason) {
    if (state === this.state && reason === this.reason) return;
    this.state = state;
    this.reason = reason;
    this.changed();
  }
}
