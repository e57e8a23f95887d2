// The self-test: measures on this very screen how late a camera's picture is, how often it stands still and whether boxes
// are on their frames, shows it and reports it to the server.

import { isMoved } from './details.js';
import { freezeFigures, freezesOf, latencies, overlaps, perSecond, round } from './figures.js';
import { prefs } from './prefs.js';
import { overlap, StampReader } from './stamp.js';
import { showTest } from './verdict.js';

const defaultSeconds = 60;
const mostSeconds = 600;
const reportEvery = 5000; // ms
const showEvery = 1000; // ms
const sameFrame = 5; // ms between two tellings of one frame's capture time
const boxesEvery = 3; // frames: finding objects takes time, and must not itself make boxes late

export function run({ id, query, card, live }) {
  const seconds = Math.min(mostSeconds, Math.max(1, Number(query.get('seconds')) || defaultSeconds));
  const test = new SelfTest(id || `page-${Date.now().toString(36)}`, seconds, card, live);
  test.begin();
  return test;
}

class SelfTest {
  #id;
  #seconds;
  #card;
  #live;
  #frames = []; // {shown, latency, seen (page wall time less capture time, before the clocks' difference), aligned, rendition, width}
  #ious = [];
  #stamps = false; // the picture tells its capture time
  #reader = new StampReader();
  #start = null; // page time of the first frame
  #first = null; // ms from navigation to the first picture
  #counter = null; // of the newest still or MJPEG picture
  #transport = 'webrtc';
  #timers = [];
  #done = false;

  constructor(id, seconds, card, live) {
    this.#id = id;
    this.#seconds = seconds;
    this.#card = card;
    this.#live = live;
  }

  begin() {
    this.#card.overlay.watcher = (frame) => this.#video(frame);
    const still = () => {
      if (this.#done) return;
      this.#still();
      requestAnimationFrame(still);
    };
    requestAnimationFrame(still);
    this.#timers.push(setInterval(() => this.#post(), reportEvery), setInterval(() => this.#show(), showEvery));
    this.#show();
  }

  // video takes a frame of the live picture, in the moment that it goes to the screen.
  #video({ meta, drawn, video }) {
    if (this.#done) return;
    const shown = meta.expectedDisplayTime;
    const [width, height] = [video.videoWidth, video.videoHeight];
    if (!width) return;
    const stamp = this.#reader.read(video, width, height);
    this.#stamps ||= stamp !== null;
    const told = meta.rtpTimestamp === undefined ? null : this.#card.feed.timeOf(meta.rtpTimestamp);
    // A busy browser may give the pixels of the frame after the one that it tells of.
    const same = stamp !== null && (told === null || Math.abs(stamp.time - told) < sameFrame);
    const captured = same ? stamp.time : told;
    this.#transport = 'webrtc';
    this.#add({ shown, captured, aligned: Boolean(drawn?.aligned), width, rendition: this.#rendition(width) });
    if (same && drawn?.tracks.length && this.#card.player.rendition !== 'annotated' && this.#frames.length % boxesEvery === 0) {
      this.#compare(drawn, this.#reader.objects(video, width, height), [width, height]);
    }
  }

  // still looks whether a picture that came without WebRTC is a new one.
  #still() {
    const { fallback } = this.#card;
    if (!fallback.showing) return;
    const img = this.#card.find('.still');
    if (!img.naturalWidth) return;
    const stamp = this.#reader.read(img, img.naturalWidth, img.naturalHeight);
    const counter = stamp ? stamp.counter : fallback.count;
    if (counter === this.#counter) return;
    this.#counter = counter;
    this.#stamps ||= stamp !== null;
    this.#transport = fallback.via;
    this.#add({ shown: performance.now(), captured: stamp ? stamp.time : null, aligned: true, width: img.naturalWidth, rendition: fallback.via });
  }

  #add(f) {
    if (this.#start === null) {
      this.#start = f.shown;
      this.#first = this.#card.player.firstPicture ?? f.shown;
    }
    f.seen = f.captured === null ? null : performance.timeOrigin + f.shown - f.captured;
    f.offset = this.#live.clock.settled ? this.#live.clock.offset : null;
    this.#frames.push(f);
    if (f.shown - this.#start >= this.#seconds * 1000) this.#finish();
  }

  // compare holds the boxes that were drawn to the objects that the picture shows.
  #compare(drawn, objects, size) {
    for (const t of drawn.tracks) {
      const object = objects[t.class];
      if (!object) continue;
      const box = t.box.map((v, i) => (v * size[i % 2]) / drawn.size[i % 2]);
      this.#ious.push(overlap(box, object));
    }
  }

  #rendition(width) {
    const { player, camera } = this.#card;
    return isMoved(player, { width }, camera) ? 'small' : player.rendition;
  }

  async #finish() {
    this.#done = true;
    this.#timers.forEach(clearInterval);
    this.#card.overlay.watcher = null;
    await this.#card.player.measure();
    this.#show(await this.#post());
  }

  // report is what the server is told.
  #report() {
    const frames = this.#frames;
    const known = frames.find((f) => f.offset !== null)?.offset ?? this.#live.clock.offset; // for those before the clock was known
    for (const f of frames) f.latency = f.seen === null ? null : f.seen + (f.offset ?? known);
    const end = this.#done ? (frames.at(-1)?.shown ?? 0) : performance.now();
    const start = this.#start ?? end;
    const freezes = this.#start === null ? [] : freezesOf(frames, end);
    const { player, overlay, name } = this.#card;
    const s = player.stats ?? {};
    return {
      id: this.#id, done: this.#done, camera: name, mode: prefs.mode, rendition: player.rendition,
      user_agent: navigator.userAgent, transport: this.#transport, codec: s.codec ?? null,
      seconds: round((end - start) / 1000, 2), frames: frames.length,
      first_picture_ms: round(this.#first, 0),
      clock_offset_ms: round(this.#live.clock.offset, 2), clock_rtt_ms: round(this.#live.clock.rtt, 2),
      latency_from: this.#stamps ? 'picture' : 'messages',
      latency_ms: latencies(frames),
      freezes: freezeFigures(freezes),
      aligned: frames.length && this.#transport === 'webrtc' && overlay.draws ? round(frames.filter((f) => f.aligned).length / frames.length, 4) : null,
      box_iou: overlaps(this.#ious),
      per_second: perSecond(frames, freezes, start, end),
      jitter_buffer_ms: round(s.buffer), rtt_ms: round(s.rtt ?? this.#live.clock.rtt), packets_lost: s.lost ?? 0, packets: s.packets ?? 0,
      nacks: s.nacks ?? 0, key_frames: s.keys ?? null, dropped: s.dropped ?? null, decode_ms: round(s.decodeTime), path: s.path ?? '',
    };
  }

  // post sends the report and returns why it could not be sent, if it could not.
  async #post() {
    try {
      const response = await fetch('api/selftest', {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(this.#report()),
      });
      return response.ok ? '' : `HTTP ${response.status}`;
    } catch (err) {
      return err.message;
    }
  }

  #show(unsent = '') {
    showTest(document.getElementById('test'), this.#report(), this.#start === null ? null : this.#seconds, unsent);
  }
}
