// What the first picture waits for, begun before the rest of the page is there: this module needs no other, and runs before
// the page's body is read, which costs a small machine 150 ms. It reads the cameras, and if the page will show one alone, asks for its picture.

const takenWithin = 10000; // ms until a picture that nobody takes is given up
const answerLimit = 8000; // ms to wait for the server's answer

const query = new URLSearchParams(location.search);

// test is the self-test's id; null if this is no self-test.
export const test = query.get('selftest');

let reading = fetch('api/cameras', { cache: 'no-store', signal: AbortSignal.timeout(4000) }); // null once somebody took it
let link = null; // see connection; url is what was asked, null if nothing was

// firstReading gives the response of that first reading to the first who asks.
export function firstReading() {
  const first = reading;
  reading = null;
  return first;
}

// named is the camera that the address names; null if it names none.
export function named() {
  if (test !== null) return query.get('camera');
  const m = location.hash.match(/^#\/camera\/([^/]+)$/);
  try {
    return m && decodeURIComponent(m[1]);
  } catch {
    return null;
  }
}

// endpoint is where a camera's picture is asked for.
export const endpoint = (name) => `api/cameras/${encodeURIComponent(name)}/whep`;

// asking is the same with what is asked for.
export const asking = (url, rendition, mode) => `${url}?rendition=${rendition}&mode=${mode}`;

// begin makes a connection and its offer. A browser's first one costs it 100 ms before it can offer anything.
function begin(servers) {
  const pc = new RTCPeerConnection(servers.length ? { iceServers: servers } : {});
  preferH264(pc.addTransceiver('video', { direction: 'recvonly' }));
  const made = { pc, url: null, answer: null, candidates: [] };
  // Without servers in between the server learns our addresses from our own checks.
  if (servers.length) pc.onicecandidate = (e) => made.candidates.push(e.candidate);
  made.offer = pc.setLocalDescription();
  made.offer.catch(() => {}); // told to whom it is for
  return made;
}

// connection gives a connection that was begun, for the page's first session, or a new one: {pc, offer, answer, candidates}.
// offer settles when there is one, answer is what ask gives if url was asked already, else null; candidates are our own so far.
export function connection(url, servers) {
  const made = link ?? begin(servers);
  link = null;
  if (made.url !== null && made.url !== url) {
    discard(made);
    return begin(servers);
  }
  return made;
}

// ask posts a connection's offer and gives it the answer: {status, where, etag, text}; where is the session's own address, null if
// there is no session.
export async function ask(url, pc) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp' },
    body: pc.localDescription.sdp,
    signal: AbortSignal.timeout(answerLimit),
  });
  const where = response.status === 201 ? response.headers.get('Location') : null;
  const answer = {
    status: response.status,
    where: where && new URL(where, response.url).href,
    etag: response.headers.get('ETag'),
    text: await response.text(),
  };
  if (where && pc.signalingState !== 'closed') await pc.setRemoteDescription({ type: 'answer', sdp: answer.text });
  return answer;
}

// first is the camera that the page will show alone and can show at once; undefined if there is none.
function first(cameras) {
  const name = named() ?? (cameras.length === 1 || test !== null ? cameras[0]?.name : null);
  return cameras.find((c) => c.name === name && c.state === 'live');
}

// view is what this viewer has chosen, as far as it decides what is asked for; see prefs.js and player.js.
function view() {
  let kept = null;
  let blind = null;
  try {
    kept = JSON.parse(localStorage.getItem('yfv2d.view'));
    blind = JSON.parse(localStorage.getItem('yfv2d.no-rtp-timestamp'));
  } catch { /* nothing is kept, or nothing of use */ }
  const draws = HTMLVideoElement.prototype.requestVideoFrameCallback && blind !== navigator.userAgent;
  const mode = (test === null ? kept?.mode : query.get('mode')) === 'exact' ? 'exact' : 'low_latency';
  return { rendition: (test !== null && query.get('rendition')) || (draws ? 'clean' : 'annotated'), mode };
}

async function early() {
  const response = await reading.then((r) => r.clone());
  if (!response.ok || document.hidden) return;
  const { cameras, ice_servers: servers } = await response.json();
  if (!cameras.length || link || reading === null) return;
  link = begin(servers || []);
  const camera = first(cameras);
  if (!camera) return;
  const { rendition, mode } = view();
  link.url = asking(endpoint(camera.name), rendition, mode);
  const { url, pc, offer } = link;
  link.answer = offer.then(() => ask(url, pc));
  link.answer.catch(() => {});
  setTimeout(() => link?.url === url && discard(link), takenWithin);
}

// discard ends a connection that nobody will take.
async function discard(made) {
  if (link === made) link = null;
  made.pc.close();
  const where = await made.answer?.then((a) => a.where, () => null);
  if (where) fetch(where, { method: 'DELETE', keepalive: true }).catch(() => {});
}

addEventListener('pagehide', () => link && discard(link));
early().catch(() => {}); // whoever takes the first reading tells

function preferH264(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities?.('video')?.codecs;
  if (!codecs || !transceiver.setCodecPreferences) return;
  const h264 = (c) => /h264/i.test(c.mimeType);
  transceiver.setCodecPreferences([...codecs.filter(h264), ...codecs.filter((c) => !h264(c))]);
}
