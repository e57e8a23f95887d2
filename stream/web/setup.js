// What the page shows while there is no camera: what the server finds on its machine, with the lines that make a camera of
// it, where they go, and how they are taken in.

import { copies } from './copy.js';
import { t } from './strings.js';
import { element } from './text.js';

const askEvery = 8000; // ms: a camera that is plugged in now shows soon
const limit = 20000; // ms to wait for an answer: a device may be slow to tell of itself

// Ways to have a camera that needs nothing on the server's machine.
const examples = [
  { what: () => t('setup.network'), fix: () => t('setup.network.text'), config: ['[[camera]]', 'name = "front-door"', 'source = "rtsp://USER:PASSWORD@192.168.1.20/stream1"'] },
  { what: () => t('setup.test'), fix: () => t('setup.test.text'), config: ['[[camera]]', 'name = "test"', 'source = "test:?size=640x480&objects=3"'] },
];

const $ = (id) => document.getElementById(id);
let shown = ''; // the answer on the page
let timer = null;
let wanted = false;
let poll = () => {};

// show begins to ask the server; poll reads the cameras anew.
export function show(pollCameras) {
  poll = pollCameras;
  if (wanted) return;
  wanted = true;
  ask();
}

export function hide() {
  wanted = false;
  clearTimeout(timer);
}

async function ask() {
  clearTimeout(timer);
  if (!document.hidden) {
    const setup = await read().catch(() => null);
    if (!wanted) return;
    if ((setup || !shown) && $('setup-not').hidden) draw(setup ?? { file: '', reload: '', findings: [] });
  }
  timer = setTimeout(ask, askEvery);
}

async function read() {
  const response = await fetch('api/setup', { cache: 'no-store', signal: AbortSignal.timeout(limit) });
  $('setup').hidden = response.status === 403;
  $('setup-not').hidden = response.status !== 403;
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

function draw(setup) {
  const text = JSON.stringify(setup);
  if (text === shown) return; // what somebody has selected stays so
  shown = text;
  const { file, reload, findings } = setup;
  $('setup').hidden = false;
  $('setup-found').replaceChildren(...findings.map((f) => camera(f.what, f.fix, f.config, f.grade)));
  $('setup-other').replaceChildren(...examples.map((e) => camera(e.what(), e.fix(), e.config, 'ok')));
  $('setup-here').hidden = findings.length === 0;
  $('setup-file').textContent = file || 'config.toml';
  $('setup-command').textContent = reload;
  $('setup-by-command').hidden = !reload;
}

// camera is what was found, what is to be done about it, and the lines that use it.
function camera(what, fix, config, grade) {
  const li = element('li', `found ${grade}`, '');
  li.append(element('p', 'what', what));
  if (fix) li.append(element('p', 'fix', fix));
  if (!config.length) return li;
  const lines = `${config.join('\n')}\n`;
  const box = element('div', 'lines', '');
  const pre = element('pre', '', '');
  pre.tabIndex = 0; // so that keys can scroll it
  pre.append(element('code', '', lines));
  box.append(pre, copyButton(() => lines));
  li.append(box);
  return li;
}

function copyButton(text) {
  const button = element('button', 'small', t('page.copy'));
  button.type = 'button';
  copies(button, text);
  return button;
}

copies($('setup-file-copy'), () => $('setup-file').textContent);
copies($('setup-command-copy'), () => $('setup-command').textContent);

$('setup-reload').addEventListener('click', async () => {
  const button = $('setup-reload');
  button.disabled = true;
  say(await takeIn().catch(() => t('setup.noanswer')));
  button.disabled = false;
  poll();
});

// takeIn has the server read the file, and returns what is to be said of it.
async function takeIn() {
  const response = await fetch('api/reload', { method: 'POST', signal: AbortSignal.timeout(limit) });
  const answer = await response.json();
  if (!response.ok) return answer.error;
  return answer.added.length ? '' : t('setup.nothing');
}

function say(text) {
  $('setup-said').textContent = text;
  $('setup-said').hidden = !text;
}
