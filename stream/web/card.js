// One camera on the page: its picture with boxes, its state, and what is told of it beside the picture.

import { showConnection, showFacts, showLatency } from './details.js';
import { endpoint } from './early.js';
import { Fallback } from './fallback.js';
import { brief, showObjects } from './objects.js';
import { Overlay } from './overlay.js';
import { drawsHere, Player } from './player.js';
import { prefs } from './prefs.js';
import { t, translate } from './strings.js';
import { sentences, set } from './text.js';

const fallbackAfter = 5000; // ms without a picture by WebRTC
const liveLimit = 4000; // ms without messages until the server is asked to draw the boxes
const retryLimit = 4000; // ms to wait for an answer to "try again"
const leaveAfter = 2000; // ms that a picture out of sight is kept: one scrolls past, and back
const smallEnough = 1.1; // a picture up to this much wider than the small rendition may be shown by it

export class Card {
  // page gives: live (messages), servers() (for ICE), single() (whether one camera is shown alone), poll() (read anew).
  constructor(name, page) {
    this.name = name;
    this.page = page;
    this.root = document.getElementById('camera-template').content.firstElementChild.cloneNode(true);
    translate(this.root);
    this.root.dataset.camera = name;
    this.screen = this.find('.screen');
    this.feed = page.live.feed(name);
    this.overlay = new Overlay(this.find('canvas'), this.feed, page.live);
    const base = `api/cameras/${encodeURIComponent(name)}`;
    this.fallback = new Fallback(this.find('.still'), base, () => this.showState());
    this.player = new Player({
      video: this.find('video'),
      url: endpoint(name),
      servers: page.servers,
      changed: () => this.#playerChanged(),
      shown: (video, meta) => this.#videoShown(video, meta),
    });
    this.retryAt = `${base}/retry`;
    this.#fill(base);
    this.#listen();
    this.inSight = false;
    this.asleep = false; // the page is hidden
    new IntersectionObserver((entries) => this.#seen(entries.at(-1).isIntersecting)).observe(this.screen);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  #fill(base) {
    this.facts = {};
    for (const dd of this.root.querySelectorAll('[data-fact]')) this.facts[dd.dataset.fact] = dd;
    this.figures = {};
    for (const dd of this.root.querySelectorAll('[data-figure]')) this.figures[dd.dataset.figure] = dd;
    set(this.find('h2'), this.name);
    this.find('.snapshot').href = `${base}/snapshot.jpg`;
    this.find('.open').href = `#/camera/${encodeURIComponent(this.name)}`;
    this.find('.open').setAttribute('aria-label', t('card.open', { name: this.name }));
    this.find('video').setAttribute('aria-label', t('card.video', { name: this.name }));
    this.find('.still').alt = t('card.still', { name: this.name });
    this.find('.pip').hidden = !document.pictureInPictureEnabled;
  }

  #listen() {
    this.find('.retry').addEventListener('click', () => this.retry());
    this.find('.full').addEventListener('click', () => this.full());
    this.find('.pip').addEventListener('click', () => this.pictureInPicture());
    this.screen.addEventListener('dblclick', () => this.full());
  }

  // start shows the picture if somebody can see it.
  start() {
    clearTimeout(this.leaving);
    if (!this.camera || this.asleep || !this.inSight) return;
    const { state, preview, fps } = this.camera;
    this.player.camera(state === 'live', preview.viewers, fps.preview);
    this.#ask();
    if (this.player.state === 'idle' || this.player.state === 'waiting') this.player.start();
    this.#expect();
  }

  stop() {
    clearTimeout(this.leaving);
    clearTimeout(this.waiting);
    this.waiting = null;
    this.fallback.stop();
    this.player.stop();
  }

  sleep(asleep) {
    this.asleep = asleep;
    if (asleep) this.stop();
    else this.start();
  }

  remove() {
    this.stop();
    this.root.remove();
  }

  #seen(inSight) {
    if (document.pictureInPictureElement === this.player.video) inSight = true;
    if (inSight === this.inSight) return;
    this.inSight = inSight;
    clearTimeout(this.leaving);
    if (inSight) this.start();
    else this.leaving = setTimeout(() => this.stop(), leaveAfter);
  }

  // look finds out at once whether the picture is in sight; the observer tells a moment later.
  look() {
    const r = this.screen.getBoundingClientRect();
    this.#seen(r.width > 0 && r.bottom > 0 && r.top < innerHeight);
  }

  // ask chooses what to ask the server for.
  #ask() {
    this.player.want(this.forced || this.#rendition(), prefs.mode);
  }

  #rendition() {
    const video = this.player.video;
    if (document.pictureInPictureElement === video || video.webkitDisplayingFullscreen) {
      return prefs.boxes ? 'annotated' : 'clean'; // nothing of ours can be drawn on such a picture
    }
    if (prefs.boxes && (!drawsHere() || this.page.live.downFor() > liveLimit)) return 'annotated';
    const half = this.camera.size.width / 2;
    const wide = this.screen.clientWidth * devicePixelRatio;
    return !this.page.single() && half > 0 && wide > 0 && wide <= half * smallEnough ? 'small' : 'clean';
  }

  // expect has the fallback step in if WebRTC brings no picture in time.
  #expect() {
    if (this.waiting || this.player.state === 'playing' || this.camera?.state !== 'live' || this.player.state === 'idle') return;
    this.waiting = setTimeout(() => {
      this.late = true;
      this.#substitute();
    }, fallbackAfter);
  }

  #substitute() {
    if (this.player.state === 'playing' || this.camera?.state !== 'live') return;
    this.fallback.use(this.page.single(), prefs.boxes);
    this.showState();
  }

  #playerChanged() {
    if (this.player.state === 'playing') {
      clearTimeout(this.waiting);
      this.waiting = null;
      this.late = false;
      this.fallback.stop();
    } else {
      this.overlay.follow(null, false);
      this.#expect();
    }
    this.#follow();
    this.showState();
  }

  #videoShown(video, meta) {
    if (!this.pipHeard) this.pipHeard = new WeakSet();
    if (!this.pipHeard.has(video)) {
      this.pipHeard.add(video);
      for (const e of ['enterpictureinpicture', 'leavepictureinpicture', 'webkitbeginfullscreen', 'webkitendfullscreen']) {
        video.addEventListener(e, () => this.#ask());
      }
    }
    this.overlay.follow(video, this.player.rendition !== 'annotated', meta);
  }

  #follow() {
    const playing = this.player.state === 'playing';
    this.overlay.follow(playing ? this.player.video : null, this.player.rendition !== 'annotated');
  }

  // choose takes over a changed choice of the viewer.
  choose() {
    if (this.player.state !== 'idle') this.#ask();
    if (this.fallback.via) this.#substitute();
    this.overlay.redraw();
  }

  // retry has the server try a camera that is down now, and looks soon what came of it.
  async retry() {
    const button = this.find('.retry');
    button.disabled = true;
    await fetch(this.retryAt, { method: 'POST', signal: AbortSignal.timeout(retryLimit) }).catch(() => {});
    setTimeout(() => { button.disabled = false; this.page.poll(); }, 500);
  }

  full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.screen.requestFullscreen) this.screen.requestFullscreen().catch(() => {});
    else this.player.video.webkitEnterFullscreen?.(); // iPhone
  }

  pictureInPicture() {
    if (document.pictureInPictureElement) document.exitPictureInPicture().catch(() => {});
    else if (this.player.state === 'playing') this.player.video.requestPictureInPicture?.().catch(() => {});
  }

  // update shows one reading; serverTime is the server's clock at that reading, in ms.
  async update(camera, serverTime) {
    this.camera = camera;
    this.nextTry = camera.next_try ? Date.parse(camera.next_try) - serverTime : null;
    if (camera.size.width) this.root.style.setProperty('--ratio', (camera.size.width / camera.size.height).toFixed(4));
    if (camera.state !== 'live') this.#noFallback();
    this.player.camera(camera.state === 'live', camera.preview.viewers, camera.fps.preview);
    if (this.player.state !== 'idle') {
      this.#ask();
      this.#expect();
    }
    if (this.fallback.via) this.#substitute();
    this.showState();
    const source = this.find('.source');
    set(source, camera.source);
    source.title = camera.source;
    showFacts(this.facts, camera);
    set(this.find('.count'), String(camera.objects.length));
    set(this.find('.brief'), brief(camera.objects));
    showObjects(this.find('.objects'), camera.objects, serverTime);
    await this.player.measure();
    this.player.holdBack(this.feed.exactDelay());
    this.showFigures();
  }

  showFigures() {
    const { player, fallback, overlay, camera } = this;
    showLatency(this.facts.latency, camera, overlay, player.stats, player.state === 'playing');
    showConnection(this.figures, { player, fallback, overlay, camera, clock: this.page.live.clock });
  }

  // serverAway is called while the server does not answer: nothing that it sent is shown as if it were new.
  serverAway() {
    this.#noFallback();
  }

  #noFallback() {
    clearTimeout(this.waiting);
    this.waiting = null;
    this.fallback.stop();
  }

  showState() {
    const c = this.camera;
    if (!c) return;
    const down = c.state === 'retrying' || c.state === 'failed';
    const playing = c.state === 'live' && this.player.state === 'playing';
    const substitute = !playing && c.state === 'live' && this.fallback.showing;
    this.find('.retry').hidden = c.state !== 'retrying';
    this.root.classList.toggle('down', down);
    this.root.classList.toggle('ended', c.state === 'ended');
    this.root.classList.toggle('playing', playing);
    this.root.classList.toggle('substitute', substitute);
    this.root.dataset.via = playing ? 'webrtc' : substitute ? this.fallback.via : '';
    const [chip, title, text] = this.#words(c, playing, substitute);
    set(this.find('.state-text'), chip);
    this.#showVia(substitute);
    if (playing || substitute) return; // the veil fades out with the words it had
    set(this.find('.veil-title'), title);
    set(this.find('.veil-text'), text);
  }

  // words are what to say: on the chip, and large and small on the veil.
  #words(c, playing, substitute) {
    switch (c.state) {
      case 'connecting':
      case 'failed':
        return [t(`state.${c.state}`), t(`veil.${c.state}`), c.reason];
      case 'stalled':
        return [t('state.stalled'), t('veil.stalled'), sentences(c.reason)];
      case 'retrying':
        return [t('state.retrying'), t('veil.retrying'), sentences(c.reason, tryText(this.nextTry))];
      case 'ended':
        return [t('state.ended'), t('veil.ended'), ''];
    }
    if (playing) return [t('state.live'), '', ''];
    if (substitute) return [t(`via.${this.fallback.via}`), '', ''];
    const { state, reason } = this.player;
    const name = { waiting: 'reconnecting', idle: 'paused' }[state] || 'joining';
    const word = t(`state.${name}`);
    return [word, word, state === 'idle' ? '' : reason];
  }

  // showVia says that the picture is a substitute, and why.
  #showVia(substitute) {
    const note = this.find('.via');
    note.hidden = !substitute;
    if (!substitute) return;
    const why = this.player.reason || t('via.slow', { n: fallbackAfter / 1000 });
    set(note, t(`via.${this.fallback.via}.why`, { why: why.replace(/[.]$/, '') }));
  }
}

function tryText(ms) {
  if (ms === null) return '';
  const s = Math.ceil(ms / 1000);
  return s <= 0 ? t('veil.now') : t('veil.next', { n: s });
}
