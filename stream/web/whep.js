// One WHEP session (draft-ietf-wish-whep): an offer is posted at once, the answer names the server's addresses, ours
// follow by PATCH where they are of use. When the network changes, ICE is restarted by PATCH: encryption and picture go on.

import { ask, connection } from './early.js';

const trickleWait = 50; // ms in which candidates are gathered into one PATCH
const restartLimit = 4000; // ms in which a restart must bring the connection back; then a new session is quicker
const restartPause = 400; // ms between tries while the network is away

export class Session {
  pc;

  #url;
  #ended;
  #begun;
  #track;
  #resource = null; // the session's own address, once there is one
  #etag = null;
  #candidates = [];
  #timer = null;
  #closed = false;
  #restarting = false;

  // servers are the ICE servers to use; track is called with the video's stream, ended with why the session is over.
  constructor({ url, servers, track, ended }) {
    this.#url = url;
    this.#ended = ended;
    this.#begun = connection(url, servers);
    this.pc = this.#begun.pc;
    this.#track = (e) => {
      this.pc.ontrack = null;
      track(e?.streams[0] || new MediaStream([this.receiver.track]));
    };
    this.pc.ontrack = this.#track;
    this.pc.onconnectionstatechange = () => {
      const state = this.pc.connectionState;
      if (state === 'failed' || state === 'disconnected') this.restart();
    };
    // Without servers in between the server learns our addresses from our own checks.
    if (servers.length) this.pc.onicecandidate = (e) => this.#trickle(e.candidate);
    this.#candidates = this.#begun.candidates;
  }

  // open connects; it throws an Error with a reason for people.
  async open() {
    await this.#begun.offer;
    const answer = await (this.#begun.answer ?? ask(this.#url, this.pc));
    this.#resource = answer.where;
    this.#etag = answer.etag;
    if (this.#closed) {
      this.#delete();
      return;
    }
    if (!this.#resource) throw new Error(reasonOf(answer.text) || `HTTP ${answer.status}`);
    if (this.pc.ontrack) this.#track(null); // it came before anybody listened
    const transport = this.receiver?.transport;
    transport?.addEventListener('statechange', () => {
      // The server says goodbye by DTLS; the connection's own state tells only seconds later.
      if (transport.state === 'closed') this.#end('ended');
    });
    this.#send();
  }

  get receiver() {
    return this.pc.getReceivers()[0];
  }

  // holdsBack says whether the server may tell this browser by how much to delay pictures (the playout-delay extension).
  get holdsBack() {
    return /playout-delay/.test(this.pc.remoteDescription?.sdp || '');
  }

  // restart begins ICE anew: the way to the server has changed, or is lost.
  async restart() {
    if (this.#restarting || this.#closed) return;
    if (!this.#resource || this.pc.signalingState !== 'stable') {
      if (this.pc.connectionState !== 'connected') this.#end('lost');
      return;
    }
    this.#restarting = true;
    const deadline = performance.now() + restartLimit;
    try {
      await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart: true }));
      await this.pc.setRemoteDescription({ type: 'answer', sdp: withICE(this.pc.remoteDescription.sdp, await this.#askRestart(deadline)) });
      await this.#connected(deadline);
    } catch {
      this.#end('lost');
    }
    this.#restarting = false;
    this.#send();
  }

  // askRestart sends our new credentials and returns the server's, as a fragment. Between two networks a request fails at once.
  async #askRestart(deadline) {
    for (;;) {
      try {
        const response = await this.#patch(this.#fragment([]), '*', AbortSignal.timeout(Math.max(1, deadline - performance.now())));
        if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
        this.#etag = response.headers.get('ETag');
        return await response.text();
      } catch (err) {
        if (!(err instanceof TypeError) || this.#closed || performance.now() + restartPause > deadline) throw err;
      }
      await new Promise((resolve) => { setTimeout(resolve, restartPause); });
    }
  }

  // connected waits until the connection stands; it throws if it does not in time.
  async #connected(deadline) {
    const stands = () => this.pc.iceConnectionState === 'connected' || this.pc.iceConnectionState === 'completed';
    await new Promise((resolve, reject) => {
      const look = () => {
        if (!stands() && !this.#closed) return;
        clearTimeout(limit);
        this.pc.removeEventListener('iceconnectionstatechange', look);
        resolve();
      };
      const limit = setTimeout(() => {
        this.pc.removeEventListener('iceconnectionstatechange', look);
        reject(new Error('no way to the server'));
      }, Math.max(0, deadline - performance.now()));
      this.pc.addEventListener('iceconnectionstatechange', look);
      look();
    });
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#delete();
    this.pc.close();
  }

  #end(why) {
    if (!this.#closed) this.#ended(why);
  }

  // delete tells the server that the session is over; keepalive lets it through while the page goes away.
  #delete() {
    if (!this.#resource) return;
    fetch(this.#resource, { method: 'DELETE', keepalive: true }).catch(() => {});
    this.#resource = null;
  }

  #trickle(candidate) {
    this.#candidates.push(candidate);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), trickleWait);
  }

  // send patches the session with the candidates that have come (RFC 8840's fragments); a server that does not take them
  // has to do without.
  #send() {
    if (!this.#resource || !this.#candidates.length || this.#closed || this.#restarting) return;
    const body = this.#fragment(this.#candidates);
    this.#candidates = [];
    this.#patch(body, this.#etag).catch(() => {});
  }

  // fragment is our credentials and some candidates; null stands for the end of them.
  #fragment(candidates) {
    const sdp = this.pc.localDescription.sdp;
    const line = (name) => sdp.match(new RegExp(`^a=${name}:.*$`, 'm'))?.[0].trim();
    const lines = [line('ice-ufrag'), line('ice-pwd'), 'm=video 9 UDP/TLS/RTP/SAVPF 0', line('mid')];
    for (const c of candidates) lines.push(c?.candidate ? `a=${c.candidate}` : 'a=end-of-candidates');
    return `${lines.filter(Boolean).join('\r\n')}\r\n`;
  }

  #patch(body, match, signal) {
    return fetch(this.#resource, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', ...(match && { 'If-Match': match }) },
      body,
      signal,
    });
  }
}

// withICE is an answer with a fragment's credentials and candidates in the place of its own. It has one m-line.
function withICE(sdp, fragment) {
  const line = (name) => fragment.match(new RegExp(`^a=${name}:.*$`, 'm'))?.[0].trim();
  const candidates = fragment.match(/^a=(candidate:.*|end-of-candidates)$/gm) || [];
  return sdp.replace(/^a=(candidate:.*|end-of-candidates)\r?\n/gm, '')
    .replace(/^a=ice-ufrag:.*$/gm, () => line('ice-ufrag'))
    .replace(/^a=ice-pwd:.*$/gm, () => line('ice-pwd'))
    + candidates.map((c) => `${c.trim()}\r\n`).join('');
}

function reasonOf(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return '';
  }
}
