// What is seen, as it happens: one WebSocket brings every camera's messages, one for each preview frame and one for each
// detection, and tells how the server's clock differs from ours.

const firstWait = 500; // ms until the first new try
const longestWait = 15000; // ms between later tries
const silence = 15000; // ms without a message, though we pinged, until the connection counts as dead
const pingEvery = 5000; // ms, once the clock is known
const firstPings = 8; // in quick succession, to know the clock soon
const quickPing = 120; // ms between those
const keepSamples = 12; // of the clock
const keepFrames = 300; // frame messages a camera: ten seconds at 30 a second
const keepDetects = 40;

// wallNow is this page's wall clock in ms, of the same origin as the times of video frames.
export const wallNow = () => performance.timeOrigin + performance.now();

// Clock estimates server time minus page time from answered pings. The quickest answer tells best: half its way is the
// most that it can be wrong.
class Clock {
  #samples = [];

  offset = 0; // ms to add to a page time
  rtt = null; // ms, of the quickest of the newest pings

  // settled says whether enough pings were answered to rely upon offset.
  get settled() {
    return this.#samples.length >= firstPings / 2;
  }

  add(sent, serverTime, received) {
    this.#samples.push({ rtt: received - sent, offset: serverTime - (sent + received) / 2 });
    if (this.#samples.length > keepSamples) this.#samples.shift();
    const best = this.#samples.reduce((a, b) => (b.rtt < a.rtt ? b : a));
    this.offset = best.offset;
    this.rtt = best.rtt;
  }

  // rough is a first guess, from a message whose way is not known.
  rough(serverTime) {
    if (this.rtt === null) this.offset = serverTime - wallNow();
  }
}

// Feed holds the newest messages of one camera.
class Feed {
  classes = []; // names by number
  frames = new Map(); // by RTP timestamp, in order of arrival
  detects = []; // by capture time
  arrived = () => {}; // called with each frame message

  #pair = null; // one moment on both of the camera's clocks

  take(message) {
    this.#pair = message;
    if (message.type === 'frame') {
      this.frames.set(message.rtp, message);
      if (this.frames.size > keepFrames) this.frames.delete(this.frames.keys().next().value);
      this.arrived(message);
      return;
    }
    const last = this.detects.at(-1);
    if (last && message.at <= last.at) this.detects.length = 0; // the camera began anew
    this.detects.push(message);
    if (this.detects.length > keepDetects) this.detects.shift();
  }

  // timeOf is the capture time of an RTP timestamp, Unix ms; null while no message has told the camera's clock.
  timeOf(rtp) {
    return this.#pair ? this.#pair.at + ((rtp - this.#pair.rtp) | 0) / 90 : null;
  }

  // exactDelay is by how many ms a frame is to be held back until the detections on both sides of it are known; null if
  // no detection has been told.
  exactDelay() {
    const last = this.detects.at(-1);
    return last ? last.interval_ms + last.latency_ms : null;
  }

  className(number) {
    return this.classes[number] || '';
  }
}

export class Live {
  clock = new Clock();

  #feeds = new Map();
  #names = undefined; // null: all cameras; undefined: none
  #socket = null; // that brings messages
  #next = null; // that shall replace it
  #wait = firstWait;
  #timer = null;
  #pinger = null;
  #pings = new Map(); // id: page time it was sent
  #pingID = 0;
  #downSince = performance.now();
  #heard = 0;

  // feed is a camera's, made when it is first asked for.
  feed(name) {
    if (!this.#feeds.has(name)) this.#feeds.set(name, new Feed());
    return this.#feeds.get(name);
  }

  // watch asks for these cameras' messages from now on; null means all there are. The connection that stands brings
  // messages until the new one does.
  watch(names) {
    const wanted = names && [...names].sort();
    if (this.#names !== undefined && String(wanted) === String(this.#names)) return;
    this.#names = wanted;
    this.#wait = firstWait;
    this.#connect();
  }

  stop() {
    this.#names = undefined;
    clearTimeout(this.#timer);
    clearTimeout(this.#pinger);
    this.#next?.close();
    this.#socket?.close();
    this.#next = this.#socket = null;
    this.#downSince = performance.now();
  }

  // renew connects anew: the network has changed, and the old way may be gone without a word.
  renew() {
    if (this.#names === undefined) return;
    this.#wait = firstWait;
    this.#connect();
  }

  // downFor is how many ms no connection has stood; 0 while one does.
  downFor() {
    return this.#socket ? 0 : performance.now() - this.#downSince;
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#next?.close();
    const url = new URL('api/live', document.baseURI);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    if (this.#names) url.searchParams.set('cameras', this.#names.join(','));
    const socket = new WebSocket(url);
    this.#next = socket;
    socket.onmessage = (e) => this.#hear(socket, JSON.parse(e.data));
    socket.onclose = () => this.#closed(socket);
  }

  #closed(socket) {
    if (socket === this.#next) {
      this.#next = null;
      this.#retry();
    } else if (socket === this.#socket) {
      this.#socket = null;
      this.#downSince = performance.now();
      clearTimeout(this.#pinger);
      if (!this.#next) this.#retry();
    }
  }

  #retry() {
    if (this.#names === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), this.#wait * (0.8 + 0.4 * Math.random()));
    this.#wait = Math.min(this.#wait * 2, longestWait);
  }

  #hear(socket, message) {
    this.#heard = performance.now();
    switch (message.type) {
      case 'hello':
        return this.#welcome(socket, message);
      case 'pong':
        return this.#ponged(message);
      case 'frame':
      case 'detect':
        if (socket === this.#socket) this.feed(message.camera).take(message);
    }
  }

  #welcome(socket, hello) {
    if (socket !== this.#next) return;
    const old = this.#socket;
    this.#socket = socket;
    this.#next = null;
    old?.close();
    this.#wait = firstWait;
    this.clock.rough(hello.time);
    for (const c of hello.cameras) this.feed(c.name).classes = c.classes || [];
    this.#pings.clear();
    clearTimeout(this.#pinger);
    this.#ping(firstPings);
  }

  #ping(quick) {
    const socket = this.#socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    if (performance.now() - this.#heard > silence) {
      socket.close();
      this.#closed(socket); // its own event may come only after minutes
      return;
    }
    const id = ++this.#pingID;
    this.#pings.set(id, wallNow());
    if (this.#pings.size > keepSamples) this.#pings.delete(this.#pings.keys().next().value);
    socket.send(JSON.stringify({ type: 'ping', id }));
    this.#pinger = setTimeout(() => this.#ping(quick - 1), quick > 0 ? quickPing : pingEvery);
  }

  #ponged(message) {
    const sent = this.#pings.get(message.id);
    if (sent === undefined) return;
    this.#pings.delete(message.id);
    this.clock.add(sent, message.time, wallNow());
  }
}
