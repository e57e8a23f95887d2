// The page: one card for each camera, its facts read from the API once a second while somebody looks.

import { Player } from './player.js';

const pollEvery = 1000; // ms
const pollLimit = 4000; // ms until an unanswered reading counts as failed
const hiddenLimit = 15000; // ms that a hidden page keeps its pictures: the server encodes only for who looks
const dimAfter = 0.5; // s that an object may be unseen before its row dims: a reading's own delay is no absence

const $ = (id) => document.getElementById(id);
const cards = new Map();
let version = ''; // of the server this page came from
let versionKnown = false; // false again once the server was away: another one may come back
let polling = false;
let pollTimer, hiddenTimer;

class Card {
  constructor(name) {
    this.name = name;
    this.root = $('camera-template').content.firstElementChild.cloneNode(true);
    this.screen = this.find('.screen');
    this.facts = {};
    for (const dd of this.root.querySelectorAll('[data-fact]')) this.facts[dd.dataset.fact] = dd;
    this.root.dataset.camera = name;
    this.find('h2').textContent = name;
    const base = `api/cameras/${name}`;
    this.find('.snapshot').href = `${base}/snapshot.jpg`;
    this.retryAt = `${base}/retry`;
    this.find('.retry').addEventListener('click', () => this.retry());
    this.find('.full').addEventListener('click', () => this.full());
    this.screen.addEventListener('dblclick', () => this.full());
    this.find('video').setAttribute('aria-label', `Live picture of ${name}`);
    this.player = new Player(this.find('video'), `${base}/whep`, () => this.showState());
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  // retry has the server try a camera that is down now, and looks soon what came of it.
  async retry() {
    const button = this.find('.retry');
    button.disabled = true;
    await fetch(this.retryAt, { method: 'POST', signal: AbortSignal.timeout(pollLimit) }).catch(() => {});
    setTimeout(() => { button.disabled = false; poll(); }, 500);
  }

  full() {
    if (document.fullscreenElement) {
      document.exitFullscreen();
    } else if (this.screen.requestFullscreen) {
      this.screen.requestFullscreen().catch(() => {});
    } else if (this.find('video').webkitEnterFullscreen) {
      this.find('video').webkitEnterFullscreen(); // iPhone
    }
  }

  // update shows one reading; serverTime is the server's clock at that reading, in ms.
  async update(camera, serverTime) {
    this.camera = camera;
    this.nextTry = camera.next_try ? Date.parse(camera.next_try) - serverTime : null;
    this.player.camera(camera.state === 'live', camera.preview.viewers, camera.fps.preview);
    this.showState();
    this.showFacts(camera);
    this.showObjects(camera.objects, serverTime);
    const receiver = await this.player.measure().catch(() => null);
    this.showLatency(receiver);
  }

  showState() {
    const c = this.camera;
    if (!c) return;
    const down = c.state === 'retrying' || c.state === 'failed';
    this.find('.retry').hidden = c.state !== 'retrying';
    const playing = c.state === 'live' && this.player.state === 'playing';
    this.root.classList.toggle('down', down);
    this.root.classList.toggle('ended', c.state === 'ended');
    this.root.classList.toggle('playing', playing);
    const [chip, title, text] = this.words(c, playing);
    set(this.find('.state-text'), chip);
    if (playing) return; // the veil fades out with the words it had
    set(this.find('.veil-title'), title);
    set(this.find('.veil-text'), text);
  }

  // words are what to say: on the chip, and large and small on the veil.
  words(c, playing) {
    switch (c.state) {
      case 'connecting':
        return ['Starting', 'Waiting for the camera', c.reason];
      case 'stalled':
        return ['Stalled', 'No picture from the camera', sentences(c.reason)];
      case 'retrying':
        return ['Down', 'Camera is down', sentences(c.reason, tryText(this.nextTry))];
      case 'ended':
        return ['Ended', 'The source has ended', ''];
      case 'failed':
        return ['Failed', 'Camera has failed', c.reason];
    }
    if (playing) return ['Live', '', ''];
    if (this.player.state === 'waiting') return ['Reconnecting', 'Reconnecting', this.player.reason];
    if (this.player.state === 'idle') return ['Paused', 'Paused', ''];
    return ['Connecting', 'Connecting', this.player.reason];
  }

  showFacts(c) {
    const source = this.find('.source');
    set(source, c.source);
    source.title = c.source;
    if (c.size.width) this.root.style.setProperty('--ratio', (c.size.width / c.size.height).toFixed(4));
    fact(this.facts.size, c.size.width ? `${c.size.width} × ${c.size.height}` : '–');
    fact(this.facts.fps, c.fps.capture ? c.fps.capture.toFixed(1) : '–', c.fps.capture ? '/s' : '');
    this.showDetection(c);
    fact(this.facts.viewers, String(c.preview.viewers));
    this.showDrops(c.ledger);
  }

  // showDetection says how fast the network is; or, of a camera whose network looks at a source of its own, that this gives
  // it nothing to look at, for the picture does not tell.
  showDetection(c) {
    const d = c.detect_time_ms;
    const own = c.detect_source;
    if (own && own.state !== 'live') {
      fact(this.facts.detect, own.state);
      this.facts.detect.title = sentences('no detections: the source for the network gives no picture', own.reason);
      return;
    }
    fact(this.facts.detect, d.count ? d.p50.toFixed(1) : '–', d.count ? `ms, ${c.fps.detect.toFixed(0)}/s` : '');
    this.facts.detect.title = `network input ${c.input.width} × ${c.input.height}`;
  }

  // showDrops counts the frames lost to load or faults; what nobody asked for (no viewer, not due) is no loss.
  showDrops(ledger) {
    const p = ledger.preview_dropped;
    const lost = p.capture_slot + p.preview_slot + p.encode_skipped + p.failed;
    const share = ledger.captured ? (100 * lost) / ledger.captured : 0;
    fact(this.facts.drops, lost.toLocaleString('en'), lost ? `${share.toFixed(share < 1 ? 2 : 1)} %` : '');
    this.facts.drops.title = `of ${ledger.captured} frames: before letterbox ${p.capture_slot}, before overlay ` +
      `${p.preview_slot}, skipped by the encoder ${p.encode_skipped}, failed ${p.failed}`;
  }

  // showLatency adds up what the server measured (capture to sent) and the receiver's share, given in ms.
  showLatency(receiver) {
    const sent = this.camera.latency_ms.sent;
    const known = receiver !== null && sent.count > 0 && this.root.classList.contains('playing');
    fact(this.facts.latency, known ? `≈ ${Math.round(sent.p50 + receiver)}` : '–', known ? 'ms' : '');
    this.facts.latency.title = known
      ? `estimate: capture to sent ${sent.p50.toFixed(1)} ms, half the round trip and jitter buffer ${receiver.toFixed(1)} ms`
      : 'estimate, known while the picture plays';
  }

  showObjects(objects, serverTime) {
    set(this.find('.count'), String(objects.length));
    const list = this.find('.objects');
    while (list.children.length > objects.length) list.lastElementChild.remove();
    objects.forEach((o, i) => {
      const row = list.children[i] || list.appendChild(newRow());
      const [id, kind, bar, score, life] = row.children;
      set(id, `#${o.id}`);
      set(kind, o.class || `class ${o.class_id}`);
      bar.firstElementChild.style.width = `${Math.round(o.score * 100)}%`;
      set(score, o.score.toFixed(2));
      score.title = `best ${o.best_score.toFixed(2)} of ${o.detections.toLocaleString('en')}`;
      set(life, `seen for ${duration(o.age)} · ${motionText(o, serverTime)}`);
      row.classList.toggle('predicted', o.predicted && o.unseen > dimAfter);
    });
  }
}

// motionText says how fast an object moves, or how long it has stood where it is.
function motionText(o, serverTime) {
  if (!o.stationary) return `${Math.round(o.speed)} px/s`;
  return `stands for ${duration((serverTime - Date.parse(o.stationary_since)) / 1000)}`;
}

// duration writes seconds as "12 s", "2:15" or "1:02:03".
function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  const two = (n) => String(n).padStart(2, '0');
  const m = Math.floor(s / 60);
  return m < 60 ? `${m}:${two(s % 60)}` : `${Math.floor(m / 60)}:${two(m % 60)}:${two(s % 60)}`;
}

function newRow() {
  const row = document.createElement('li');
  row.className = 'object';
  for (const name of ['id', 'class', 'bar', 'score', 'life']) {
    const cell = document.createElement('span');
    cell.className = name;
    row.append(cell);
  }
  row.children[2].append(document.createElement('i'));
  return row;
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function fact(dd, value, unit = '') {
  if (!dd.firstChild) dd.append('', document.createElement('small'));
  set(dd.firstChild, unit ? `${value} ` : value);
  set(dd.lastChild, unit);
}

function sentences(...parts) {
  return parts.filter(Boolean).reduce((text, part) => (text ? text.replace(/([^.?!])$/, '$1.') + ' ' + part : part), '');
}

function tryText(ms) {
  if (ms === null) return '';
  const s = Math.ceil(ms / 1000);
  return s <= 0 ? 'Trying again now' : `Next try in ${s} s`;
}

async function read(path) {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(pollLimit) });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

async function poll() {
  if (polling) return;
  polling = true;
  clearTimeout(pollTimer);
  try {
    if (!versionKnown) await readVersion();
    show(await read('api/cameras'));
    $('offline').hidden = true;
  } catch {
    $('offline').hidden = false;
    versionKnown = false;
  }
  polling = false;
  if (!document.hidden) pollTimer = setTimeout(poll, pollEvery);
}

function show(reading) {
  const serverTime = Date.parse(reading.time);
  const main = $('cameras');
  const names = reading.cameras.map((c) => c.name);
  for (const [name, card] of cards) {
    if (names.includes(name)) continue;
    card.player.stop();
    card.root.remove();
    cards.delete(name);
  }
  reading.cameras.forEach((camera, i) => {
    let card = cards.get(camera.name);
    if (!card) {
      card = new Card(camera.name);
      cards.set(camera.name, card);
      main.append(card.root);
      card.update(camera, serverTime);
      card.player.start();
    } else {
      card.update(camera, serverTime);
    }
    card.root.style.order = i; // by style: a video that is moved in the document stops
  });
  main.classList.toggle('single', names.length === 1);
  main.setAttribute('aria-busy', 'false');
  $('empty').hidden = names.length > 0;
  main.hidden = names.length === 0;
  showSummary(reading.cameras);
}

function showSummary(list) {
  const live = list.filter((c) => c.state === 'live').length;
  const things = list.reduce((n, c) => n + c.objects.length, 0);
  const inSight = `${things} ${things === 1 ? 'object' : 'objects'}`;
  const cameras = list.length === 1 ? (live ? 'Live' : 'Not live') : `${live} of ${list.length} live`;
  set($('summary'), list.length ? `${cameras} · ${inSight}` : '');
  document.title = list.length && live < list.length ? `(${list.length - live} down) yfv2d` : 'yfv2d';
}

async function readVersion() {
  const v = await read('api/version');
  const seen = `${v.version} ${v.commit}`;
  if (version && version !== seen) location.reload();
  version = seen;
  versionKnown = true;
  const model = v.model;
  const trial = v.engine_choice || (v.forward_ms ? `${v.forward_ms.toFixed(1)} ms` : '');
  set($('versions'), [`yfv2d ${v.version}`, `model ${model.name}`, `engine ${v.engine}${trial && ` (${trial})`}`].join(' · '));
  $('versions').title = `commit ${v.commit}, ${v.go}, OpenCV ${v.opencv}`;
  $('demo').hidden = !model.builtin;
  set($('demo-note'), model.note);
  set($('demo-better'), model.better);
  $('demo-copy').hidden = !navigator.clipboard; // absent on plain HTTP from another machine
  $('foot').hidden = false;
}

$('demo-copy').addEventListener('click', async (e) => {
  await navigator.clipboard.writeText($('demo-better').textContent);
  e.target.textContent = 'Copied';
  setTimeout(() => { e.target.textContent = 'Copy'; }, 1500);
});

document.addEventListener('visibilitychange', () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    clearTimeout(pollTimer);
    hiddenTimer = setTimeout(() => {
      if (!document.pictureInPictureElement) cards.forEach((c) => c.player.stop());
    }, hiddenLimit);
    return;
  }
  cards.forEach((c) => c.player.start());
  poll();
});

addEventListener('online', () => cards.forEach((c) => c.player.start()));
addEventListener('pagehide', () => cards.forEach((c) => c.player.stop()));
addEventListener('pageshow', (e) => {
  if (e.persisted) cards.forEach((c) => c.player.start()); // back from the browser's page cache
});

poll();
