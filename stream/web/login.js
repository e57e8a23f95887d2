// The login page. It sends the browser back to where it came from: to what stands in ?next=, if that is on this server, with what
// stands behind #.

import { prefs } from './prefs.js';
import { t, translate } from './strings.js';
import { duration } from './text.js';

const limit = 15000; // ms for an answer: a busy board checks one password at a time

const $ = (id) => document.getElementById(id);
let waiting = null;

if (prefs.theme !== 'auto') document.documentElement.dataset.theme = prefs.theme;
translate(document);
$('form').addEventListener('submit', (e) => {
  e.preventDefault();
  login();
});
begin();

// begin shows the form, unless nobody has to log in. A browser sends no cookie with a visit from another site (SameSite=Strict), but
// it does with what this page asks for.
async function begin() {
  try {
    const hints = await read('api/login');
    if (!hints.auth || await alreadyIn()) {
      leave();
      return;
    }
    $('form').hidden = false;
    $('name').focus();
    showFirst(hints);
  } catch {
    $('form').hidden = false;
    fault(t('page.offline'));
  }
}

async function read(path) {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(limit) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

async function alreadyIn() {
  const response = await fetch('api/account', { cache: 'no-store', signal: AbortSignal.timeout(limit) });
  return response.ok;
}

// showFirst tells where the generated password is, as long as somebody has it.
function showFirst(hints) {
  $('first').hidden = !hints.initial;
  $('first-where').textContent = hints.command ? t('login.first.file') : t('login.first.printed');
  $('first-command').hidden = !hints.command;
  $('first-command').firstElementChild.textContent = hints.command;
}

async function login() {
  $('go').disabled = true;
  fault('');
  try {
    const response = await fetch('api/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: $('name').value, password: $('password').value }),
      signal: AbortSignal.timeout(limit),
    });
    if (response.ok) {
      leave();
      return;
    }
    const answer = await response.json();
    $('password').select();
    wait(answer.retry_after || 0, response.status === 403 ? t('login.wrong') : answer.error);
  } catch {
    wait(0, t('page.offline'));
  }
}

// wait keeps the button still until the server lets this address try again, and tells how long that is.
function wait(seconds, why) {
  clearInterval(waiting);
  const until = Date.now() + seconds * 1000;
  const show = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    $('go').disabled = left > 0;
    fault(left > 0 ? t('login.wait', { time: duration(left) }) : why);
    if (left <= 0) clearInterval(waiting);
  };
  show();
  if (seconds > 0) waiting = setInterval(show, 500);
}

function fault(text) {
  $('fault').textContent = text;
  $('fault').hidden = !text;
}

// leave goes where the browser was going, on this server only.
function leave() {
  const base = new URL('./', document.baseURI);
  let to = base;
  try {
    to = new URL(new URLSearchParams(location.search).get('next') || './', base);
  } catch { /* no address at all */ }
  if (to.origin !== base.origin || !to.pathname.startsWith(base.pathname) || to.username || to.password) to = base;
  if (to.pathname === new URL('login', base).pathname) to = base;
  to.hash = location.hash;
  location.replace(to);
}
