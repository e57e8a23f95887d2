// The live picture of one camera: WHEP, connected again whenever it is lost.

const firstWait = 500; // ms until the first new try
const longestWait = 15000; // ms between later tries
const gatherLimit = 1000; // ms to wait for the browser's own addresses
const answerLimit = 8000; // ms to wait for the server's answer
const stallLimit = 6000; // ms without a new picture, though the server sends some, until the connection counts as lost
const stallFrames = 3; // pictures that may fail to come from a slow camera, likewise

export class Player {
  // url is the WHEP endpoint; changed is called when state or reason change.
  constructor(video, url, changed) {
    this.video = video;
    this.url = url;
    this.changed = changed;
    this.state = 'idle'; // idle, connecting, playing, waiting
    this.reason = '';
    this.wait = firstWait;
    this.cameraLive = false;
    this.wanted = false;
    this.last = null; // totals of the last getStats
    video.addEventListener('playing', () => this.#played());
  }

  start() {
    this.wanted = true;
    this.progressAt = performance.now();
    if (this.state === 'idle' || this.state === 'waiting') {
      this.wait = firstWait;
      this.#connect();
    }
  }

  stop() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.#drop();
    this.#set('idle', '');
  }

  // camera tells whether the server has frames of this camera. While it has none no new connection is tried (it would
  // be refused); one that stands is kept. A camera that comes back is tried at once. viewers and fps are what the
  // server sends to.
  camera(live, viewers, fps) {
    this.sending = live && (fps > 0 || viewers === 0); // none of its viewers is us: then it lost us
    this.patience = Math.max(stallLimit, fps > 0 ? (stallFrames * 1000) / fps : 0);
    if (live && !this.cameraLive) {
      this.progressAt = performance.now();
      if (this.state === 'waiting') this.start();
    }
    this.cameraLive = live;
  }

  // measure reads the receiver's side: half the round trip plus the jitter buffer's delay, in ms, or null if unknown.
  // It also notices a picture that stands still.
  async measure() {
    const pc = this.pc;
    if (!pc || this.state === 'waiting') return null;
    const now = { delay: 0, emitted: 0, frames: 0, rtt: null };
    for (const s of (await pc.getStats()).values()) {
      if (s.type === 'inbound-rtp' && s.kind === 'video') {
        now.delay = s.jitterBufferDelay || 0;
        now.emitted = s.jitterBufferEmittedCount || 0;
        now.frames = s.framesDecoded || 0;
      } else if (s.type === 'candidate-pair' && s.nominated && s.currentRoundTripTime !== undefined) {
        now.rtt = s.currentRoundTripTime;
      }
    }
    if (pc !== this.pc) return null;
    const before = this.last;
    this.last = now;
    this.#watch(before, now);
    if (!before || now.emitted <= before.emitted || now.rtt === null) return null;
    const buffer = (now.delay - before.delay) / (now.emitted - before.emitted);
    return (buffer + now.rtt / 2) * 1000;
  }

  #watch(before, now) {
    if (!before || now.frames > before.frames || !this.sending) {
      this.progressAt = performance.now();
    } else if (performance.now() - this.progressAt > this.patience) {
      this.#lost('The picture stands still');
    }
  }

  #played() {
    this.progressAt = performance.now();
    this.wait = firstWait;
    this.#set('playing', '');
  }

  async #connect() {
    clearTimeout(this.timer);
    this.#drop();
    if (!this.cameraLive) {
      this.#set('waiting', '');
      return;
    }
    this.#set('connecting', this.reason);
    const pc = new RTCPeerConnection();
    this.pc = pc;
    this.last = null;
    this.progressAt = performance.now();
    pc.addTransceiver('video', { direction: 'recvonly' });
    pc.ontrack = (e) => {
      this.video.srcObject = e.streams[0] || new MediaStream([e.track]);
      this.video.play().catch(() => {}); // a muted video may always play; an interrupted call is no fault
    };
    pc.onconnectionstatechange = () => {
      if (pc === this.pc && (pc.connectionState === 'failed' || pc.connectionState === 'disconnected')) {
        this.#lost('The connection was lost');
      }
    };
    try {
      await pc.setLocalDescription(await pc.createOffer());
      await gathered(pc);
      if (pc !== this.pc) return;
      await this.#exchange(pc);
    } catch (err) {
      if (pc === this.pc) this.#lost(err.message || 'The connection failed');
    }
  }

  // exchange sends the offer and takes the answer (RFC 9725).
  async #exchange(pc) {
    const response = await fetch(this.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: pc.localDescription.sdp,
      signal: AbortSignal.timeout(answerLimit),
    });
    const where = response.headers.get('Location');
    const session = response.status === 201 && where ? new URL(where, response.url).href : null;
    const text = await response.text();
    if (pc !== this.pc) {
      if (session) end(session);
      return;
    }
    if (!session) throw new Error(reasonOf(text) || `The server answered ${response.status}`);
    this.session = session;
    await pc.setRemoteDescription({ type: 'answer', sdp: text });
    const transport = pc.getReceivers()[0]?.transport;
    transport?.addEventListener('statechange', () => {
      // The server says goodbye by DTLS; the connection's own state tells only seconds later.
      if (pc === this.pc && transport.state === 'closed') this.#lost('The server ended the connection');
    });
  }

  #lost(reason) {
    this.#drop();
    if (!this.wanted) return;
    this.#set('waiting', reason);
    const wait = this.wait * (0.8 + 0.4 * Math.random()); // many pages shall not come back in the same moment
    this.wait = Math.min(this.wait * 2, longestWait);
    this.timer = setTimeout(() => this.#connect(), wait);
  }

  #drop() {
    if (this.session) end(this.session);
    this.session = null;
    if (this.pc) this.pc.close();
    this.pc = null;
  }

  #set(state, reason) {
    if (state === this.state && reason === this.reason) return;
    this.state = state;
    this.reason = reason;
    this.changed();
  }
}

// gathered waits until the browser knows its addresses; the server takes all of them in the offer.
function gathered(pc) {
  return new Promise((resolve) => {
    const done = () => {
      if (pc.iceGatheringState === 'complete' || pc.signalingState === 'closed') resolve();
    };
    pc.addEventListener('icegatheringstatechange', done);
    setTimeout(resolve, gatherLimit);
    done();
  });
}

// end tells the server that the session is over; keepalive lets it through while the page goes away.
function end(session) {
  fetch(session, { method: 'DELETE', keepalive: true }).catch(() => {});
}

function reasonOf(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return '';
  }
}
