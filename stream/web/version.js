// The page's foot: the server's version and model. A server that comes back as another version has another page, too.

import { copies } from './copy.js';
import { t } from './strings.js';
import { number, set } from './text.js';

const limit = 4000; // ms to wait for an answer

const $ = (id) => document.getElementById(id);
let version = ''; // of the server this page came from
let known = false; // false again once the server was away
let asking = false;

// readVersion reads it unless it is known; again says that the server was away.
export async function readVersion(again) {
  if (asking || (known && !again)) return;
  asking = true;
  try {
    const response = await fetch('api/version', { cache: 'no-store', signal: AbortSignal.timeout(limit) });
    if (response.ok) show(await response.json());
  } catch { /* the next reading of the cameras tells that the server is away */ }
  asking = false;
}

function show(v) {
  const seen = `${v.version} ${v.commit}`;
  if (version && version !== seen) location.reload();
  version = seen;
  known = true;
  const model = v.model;
  const trial = v.engine_choice || (v.forward_ms ? `${number(v.forward_ms, 1)} ms` : '');
  const engine = t('page.engine', { name: v.engine }) + (trial && ` (${trial})`);
  set($('versions'), [`yfv2d ${v.version}`, t('page.model', { name: model.name }), engine].join(' · '));
  $('versions').title = `commit ${v.commit}, ${v.go}, OpenCV ${v.opencv}`;
  $('demo').hidden = !model.builtin;
  set($('demo-note'), model.note);
  set($('demo-better'), model.better);
  $('foot').hidden = false;
}

copies($('demo-copy'), () => $('demo-better').textContent);
