// The page: one card for each camera, in a grid or one alone, its facts read from the API once a second while somebody
// looks.

import { firstReading, named, test } from './early.js'; // first: it begins what the picture waits for
import { initAccount, isOut } from './account.js';
import { Card } from './card.js';
import { nameOf } from './objects.js';
import { listenKeys, listenSwipes } from './keys.js';
import { Live } from './live.js';
import { change, onChange, override, prefs } from './prefs.js';
import { initSheets, sawClasses, toggleSheet } from './sheet.js';
import { t, translate } from './strings.js';
import { set } from './text.js';
import { readVersion } from './version.js';

const pollEvery = 1000; // ms
const pollLimit = 4000; // ms until an unanswered reading counts as failed
const hiddenLimit = 15000; // ms that a hidden page keeps its pictures: the server encodes only for who looks

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const cards = new Map(); // by name, in the server's order
const live = new Live();
let servers = []; // ICE servers, as the API tells them
let alone = null; // name of the camera that is shown alone
let away = false; // the server did not answer
let polling = false;
let pollTimer, hiddenTimer;
let setup = null; // the module, once there was no camera

const page = { live, servers: () => servers, single: () => alone !== null, poll };

const tester = test === null ? null : import('./selftest.js'); // fetched while the first picture is on its way
if (test !== null) {
  override({ boxes: true, hidden: [], trails: false, mode: query.get('mode') === 'exact' ? 'exact' : 'low_latency' });
}
live.watch(named() && [named()]);
poll();
translate(document);
document.documentElement.lang = 'en';
initSheets();
initAccount();

async function poll() {
  if (polling) return;
  polling = true;
  clearTimeout(pollTimer);
  try {
    const response = await (firstReading() ?? fetch('api/cameras', { cache: 'no-store', signal: AbortSignal.timeout(pollLimit) }));
    if (isOut(response)) return;
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    show(await response.json());
    readVersion(away);
    away = false;
  } catch (err) {
    if (!(err instanceof TypeError || err instanceof DOMException || /^HTTP/.test(err.message))) console.error(err);
    away = true;
    cards.forEach((c) => c.serverAway());
  }
  $('offline').hidden = !away;
  polling = false;
  if (!document.hidden || document.pictureInPictureElement || test !== null) pollTimer = setTimeout(poll, pollEvery);
}

function show(reading) {
  const serverTime = Date.parse(reading.time);
  servers = reading.ice_servers || [];
  let list = reading.cameras;
  if (test !== null) list = list.filter((c) => c.name === (query.get('camera') || list[0]?.name));
  const names = list.map((c) => c.name);
  for (const [name, card] of cards) {
    if (names.includes(name)) continue;
    card.remove();
    cards.delete(name);
  }
  const fresh = [];
  list.forEach((camera, i) => {
    let card = cards.get(camera.name);
    if (!card) {
      card = new Card(camera.name, page);
      cards.set(camera.name, card);
      $('cameras').append(card.root);
      if (test !== null) card.forced = query.get('rendition');
      fresh.push(card);
    }
    card.camera = camera;
    card.root.style.order = i; // by style: a video that is moved in the document stops
  });
  $('cameras').setAttribute('aria-busy', 'false');
  $('cameras').hidden = names.length === 0;
  showEmpty(names.length === 0);
  route();
  list.forEach((camera) => cards.get(camera.name).update(camera, serverTime));
  fresh.forEach((card) => card.look());
  shapeTiles(list);
  showSummary(list);
  sawClasses(list.flatMap((c) => c.objects.map(nameOf)));
  if (test !== null && !page.tested && list.length) startTest();
}

// showEmpty shows what to do where there is no camera. Few pages need it, so it is fetched when it is needed.
function showEmpty(empty) {
  $('empty').hidden = !empty;
  if (empty) setup ??= import('./setup.js');
  setup?.then((m) => (empty ? m.show(poll) : m.hide()));
}

function startTest() {
  page.tested = true;
  const card = cards.values().next().value;
  tester.then((m) => m.run({ id: test, query, card, live }));
}

// route shows the camera that the address names alone, else all of them; one that is the only one is always alone.
function route() {
  const names = ordered();
  const name = named();
  const next = names.length === 1 ? names[0] : cards.has(name) ? name : null;
  const main = $('cameras');
  main.classList.toggle('single', next !== null);
  main.classList.toggle('many', names.length > 1);
  main.dataset.count = names.length;
  for (const [n, card] of cards) {
    card.root.hidden = next !== null && n !== next;
    card.root.classList.toggle('alone', n === next);
  }
  const changed = next !== alone;
  const before = alone;
  alone = next;
  if (names.length) live.watch(next === null || names.length === 1 ? names : [next]);
  if (!changed) return;
  cards.forEach((card) => {
    card.look();
    card.choose();
  });
  if (next !== null) {
    scrollTo(0, 0);
    if (before === null && document.activeElement?.matches('.open')) cards.get(next).find('.back').focus();
  } else {
    cards.get(before)?.find('.open').focus();
  }
}

// ordered are the cameras' names in the server's order.
function ordered() {
  return [...cards.values()].sort((a, b) => a.root.style.order - b.root.style.order).map((c) => c.name);
}

// shapeTiles gives all pictures of the grid the shape that most of them have.
function shapeTiles(list) {
  const counts = new Map();
  for (const { size } of list) {
    if (!size.width) continue;
    const shape = Math.min(16 / 9, Math.max(1, size.width / size.height)).toFixed(4);
    counts.set(shape, (counts.get(shape) || 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  $('cameras').style.setProperty('--tile', most ? most[0] : '1.7778');
}

function showSummary(list) {
  const up = list.filter((c) => c.state === 'live').length;
  const things = list.reduce((n, c) => n + c.objects.length, 0);
  const inSight = t(things === 1 ? 'page.object' : 'page.objects', { n: things });
  const state = list.length === 1
    ? t(up ? 'page.summary.live' : 'page.summary.notlive')
    : t('page.summary.some', { live: up, all: list.length });
  set($('summary'), list.length ? (up ? `${state} · ${inSight}` : state) : '');
  document.title = list.length && up < list.length ? t('page.title.down', { n: list.length - up }) : 'yfv2d';
}

// go moves on by so many cameras from the one that is shown alone, or from the one in the grid that has the focus.
function go(step) {
  const names = ordered();
  if (names.length < 2 || document.fullscreenElement) return false;
  const focused = document.activeElement?.closest?.('.card')?.dataset.camera;
  const at = names.indexOf(alone ?? focused);
  const next = names[(at + step + names.length) % names.length];
  if (alone !== null) location.hash = `#/camera/${encodeURIComponent(next)}`;
  else cards.get(at < 0 ? names[0] : next).find('.open').focus();
  return true;
}

function back() {
  if (alone === null || cards.size < 2 || document.fullscreenElement) return false;
  location.hash = '#/';
  return true;
}

// current is the card that a key means.
function current() {
  return cards.get(alone ?? document.activeElement?.closest?.('.card')?.dataset.camera);
}

function withCurrent(act) {
  const card = current();
  if (card) act(card);
  return Boolean(card);
}

function toggle(name) {
  change({ [name]: !prefs[name] });
  return true;
}

listenKeys({
  back,
  previous: () => go(-1),
  next: () => go(1),
  full: () => withCurrent((c) => c.full()),
  pip: () => withCurrent((c) => c.pictureInPicture()),
  boxes: () => toggle('boxes'),
  details: () => toggle('details'),
  view: () => toggleSheet('view'),
  help: () => toggleSheet('help'),
});
listenSwipes($('cameras'), { previous: () => alone !== null && go(-1), next: () => alone !== null && go(1) });

$('cameras').addEventListener('click', (e) => {
  if (e.target.closest('.details-button')) toggle('details');
  else if (e.target.closest('.previous')) go(-1);
  else if (e.target.closest('.following')) go(1);
});

function showDetailsChoice() {
  $('cameras').classList.toggle('detailed', prefs.details);
}

onChange(() => {
  showDetailsChoice();
  cards.forEach((c) => c.choose());
});
showDetailsChoice();

addEventListener('hashchange', route);

document.addEventListener('visibilitychange', () => {
  if (test !== null) return; // it measures also in a window that a browser without a screen calls hidden
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    if (!document.pictureInPictureElement) clearTimeout(pollTimer);
    hiddenTimer = setTimeout(() => {
      if (!document.pictureInPictureElement) sleep();
    }, hiddenLimit);
    return;
  }
  wake();
});

function sleep() {
  cards.forEach((c) => c.sleep(true));
  live.stop();
}

function wake() {
  const names = ordered();
  live.watch(alone !== null ? [alone] : names.length ? names : null);
  cards.forEach((c) => c.sleep(false));
  poll();
}

// A phone that goes from Wi-Fi to mobile tells it by one of these, or by neither: then the connection's state tells it later.
const networkChanged = () => {
  live.renew();
  cards.forEach((c) => {
    c.start();
    c.player.networkChanged();
  });
};
addEventListener('online', networkChanged);
let network = navigator.connection?.type; // its other figures change all the time
navigator.connection?.addEventListener('change', () => {
  if (navigator.connection.type === network) return;
  network = navigator.connection.type;
  networkChanged();
});
addEventListener('pagehide', sleep);
addEventListener('pageshow', (e) => {
  if (e.persisted) wake(); // back from the browser's page cache
});
