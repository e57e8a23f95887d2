// One WHEP session (draft-ietf-wish-whep): an offer is posted at once, the answer names the server's addresses, ours
// follow by PATCH where they are of use.

const answerLimit = 8000; // ms to wait for the server's answer
const trickleWait = 50; // ms in which candidates are gathered into one PATCH

// A browser's first connection costs it 100 ms before it can offer anything. prepare makes one that the next session takes, while
// the page waits for something else.
let spare = null;

export function prepare() {
  spare ??= offering();
}

function offering() {
  const pc = new RTCPeerConnection();
  preferH264(pc.addTransceiver('video', { direction: 'recvonly' }));
  const offer = pc.createOffer();
  offer.catch(() => {}); // told to whom it is for
  return { pc, offer };
}

export class Session {
  pc;

  #url;
  #ended;
  #offer;
  #resource = null; // the session's own address, once there is one
  #etag = null;
  #candidates = [];
  #timer = null;
  #closed = false;

  // servers are the ICE servers to use; track is called with the video's stream, ended with why the session is over.
  constructor({ url, servers, track, ended }) {
    this.#url = url;
    this.#ended = ended;
    const { pc, offer } = spare ?? offering();
    spare = null;
    this.pc = pc;
    this.#offer = offer;
    if (servers.length) pc.setConfiguration({ iceServers: servers });
    this.pc.ontrack = (e) => track(e.streams[0] || new MediaStream([e.track]));
    this.pc.onconnectionstatechange = () => {
      const state = this.pc.connectionState;
      if (state === 'failed' || state === 'disconnected') this.#end('lost');
    };
    // Without servers in between the server learns our addresses from our own checks.
    if (servers.length) this.pc.onicecandidate = (e) => this.#trickle(e.candidate);
  }

  // open connects; it throws an Error with a reason for people.
  async open() {
    await this.pc.setLocalDescription(await this.#offer);
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: this.pc.localDescription.sdp,
      signal: AbortSignal.timeout(answerLimit),
    });
    const where = response.headers.get('Location');
    if (response.status === 201 && where) {
      this.#resource = new URL(where, response.url).href;
      this.#etag = response.headers.get('ETag');
    }
    const text = await response.text();
    if (this.#closed) {
      this.#delete();
      return;
    }
    if (!this.#resource) throw new Error(reasonOf(text) || `HTTP ${response.status}`);
    await this.pc.setRemoteDescription({ type: 'answer', sdp: text });
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
    if (!this.#resource || !this.#candidates.length || this.#closed) return;
    const sdp = this.pc.localDescription.sdp;
    const line = (name) => sdp.match(new RegExp(`^a=${name}:.*$`, 'm'))?.[0].trim();
    const lines = [line('ice-ufrag'), line('ice-pwd'), 'm=video 9 UDP/TLS/RTP/SAVPF 0', line('mid')];
    for (const c of this.#candidates) lines.push(c?.candidate ? `a=${c.candidate}` : 'a=end-of-candidates');
    this.#candidates = [];
    fetch(this.#resource, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', ...(this.#etag && { 'If-Match': this.#etag }) },
      body: `${lines.filter(Boolean).join('\r\n')}\r\n`,
    }).catch(() => {});
  }
}

function preferH264(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities?.('video')?.codecs;
  if (!codecs || !transceiver.setCodecPreferences) return;
  const first = (c) => /h264/i.test(c.mimeType);
  transceiver.setCodecPreferences([...codecs.filter(first), ...codecs.filter((c) => !first(c))]);
}

function reasonOf(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return '';
  }
}
