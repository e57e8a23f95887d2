// The account menu: who is logged in, another password, the way out. A server without a login has none of it.

import { toggleSheet } from './sheet.js';
import { t } from './strings.js';

const limit = 15000; // ms for an answer: a busy board checks one password at a time

const $ = (id) => document.getElementById(id);

// isOut says whether an answer means that nobody is logged in any more, and goes to the login page then; the page comes back
// to what it shows now.
export function isOut(response) {
  if (response.status !== 401) return false;
  const next = location.search ? `?next=${encodeURIComponent(`./${location.search}`)}` : '';
  location.replace(`login${next}${location.hash}`);
  return true;
}

export async function initAccount() {
  let account;
  try {
    const response = await fetch('api/account', { cache: 'no-store', signal: AbortSignal.timeout(limit) });
    if (isOut(response) || !response.ok) return;
    account = await response.json();
  } catch {
    return; // the page says by other means that the server is away
  }
  if (!account.auth) return;
  document.documentElement.dataset.role = account.role;
  $('account-button').hidden = false;
  $('account-button').addEventListener('click', () => toggleSheet('account'));
  $('account-name').textContent = account.name;
  $('account-role').textContent = t(`account.role.${account.role}`);
  $('account-user').value = account.name;
  $('account-initial').hidden = !account.initial;
  $('account-out').addEventListener('click', () => logOut('api/logout'));
  $('account-everywhere').addEventListener('click', () => logOut('api/logout?everywhere=1'));
  $('account-form').addEventListener('submit', (e) => {
    e.preventDefault();
    changePassword();
  });
}

async function logOut(path) {
  const response = await post(path).catch(() => null);
  if (response?.status === 204) location.replace('login');
  else if (!response || !isOut(response)) say(t('account.failed'), true);
}

async function changePassword() {
  const [old, fresh, again] = ['account-old', 'account-new', 'account-again'].map($);
  if (fresh.value !== again.value) {
    say(t('account.differ'), true);
    again.focus();
    return;
  }
  $('account-change').disabled = true;
  try {
    const response = await post('api/account/password', { old: old.value, new: fresh.value });
    if (isOut(response)) return;
    if (response.ok) {
      for (const input of [old, fresh, again]) input.value = '';
      $('account-initial').hidden = true;
      say(t('account.changed'), false);
    } else {
      const answer = await response.json();
      say(response.status === 403 ? t('account.wrong') : answer.error, true);
    }
  } catch {
    say(t('account.failed'), true);
  } finally {
    $('account-change').disabled = false;
  }
}

function post(path, body) {
  return fetch(path, {
    method: 'POST',
    headers: body && { 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(limit),
  });
}

function say(text, bad) {
  $('account-said').textContent = text;
  $('account-said').className = bad ? 'fault' : 'done';
  $('account-said').hidden = false;
}
