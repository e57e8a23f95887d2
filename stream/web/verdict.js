// What the self-test says to a person: a verdict, the figures, and what would help.

import { t } from './strings.js';
import { element, number, percent } from './text.js';

const good = 150; // ms within which 95 % of the frames shall be shown
const usable = 400;
const longWay = 60; // ms of round trip that are worth a word
const someLoss = 0.01; // share of packets
const someFreeze = 0.5; // s in all
const mostlyAligned = 0.97;

// showTest fills the self-test's panel. seconds is how long it shall take, null before the first picture.
export function showTest(panel, report, seconds, unsent) {
  panel.hidden = false;
  panel.className = 'test';
  const parts = [element('h2', '', t('test.title')), element('p', 'now', nowText(report, seconds))];
  if (report.frames) {
    const p95 = report.latency_ms.p95;
    const grade = p95 === null ? '' : p95 <= good ? 'good' : p95 <= usable ? 'late' : 'bad';
    if (grade === 'good') panel.classList.add('good');
    if (grade === 'bad') panel.classList.add('bad');
    if (grade) parts.push(element('p', 'verdict', t(`test.${grade}`, { n: number(report.latency_ms.p50) })));
    parts.push(list(advice(report)), figures(report));
  }
  if (unsent) parts.push(element('p', 'now', t('test.unsent', { why: unsent })));
  panel.replaceChildren(...parts);
}

function nowText(report, seconds) {
  if (seconds === null) return t('test.waiting');
  if (report.done) return t('test.done', { n: number(report.seconds) });
  return t('test.running', { left: Math.max(0, Math.ceil(seconds - report.seconds)) });
}

// advice is what would help, for each thing that is not as it should be.
function advice(r) {
  const out = [];
  if (r.transport !== 'webrtc') out.push(t('test.advice.fallback'));
  const loss = r.packets ? r.packets_lost / (r.packets + r.packets_lost) : 0;
  if (loss > someLoss) out.push(t('test.advice.loss', { n: percent(loss) }));
  if (r.rtt_ms > longWay) out.push(t('test.advice.rtt', { n: number(r.rtt_ms) }));
  if (r.freezes.total_s > someFreeze) out.push(t('test.advice.freeze', { n: number(r.freezes.total_s, 1) }));
  if (r.aligned !== null && r.aligned < mostlyAligned && r.mode !== 'exact') out.push(t('test.advice.aligned'));
  if (!out.length && r.done) out.push(t('test.advice.none'));
  if (r.latency_from === 'messages' && r.transport === 'webrtc') out.push(t('test.advice.stamp'));
  return out;
}

function figures(r) {
  const ms = (v) => (v === null ? '–' : `${number(v)} ms`);
  const dl = document.createElement('dl');
  const add = (name, value, more = '') => {
    const div = document.createElement('div');
    const dd = element('dd', '', value);
    if (more) dd.append(element('small', '', more));
    div.append(element('dt', '', name), dd);
    dl.append(div);
  };
  const p95 = r.latency_ms.p95;
  add(t('test.latency'), ms(r.latency_ms.p50), p95 === null ? '' : t('test.p95', { n: number(p95) }));
  if (r.aligned !== null) add(t('test.aligned'), percent(r.aligned));
  if (r.box_iou) add(t('test.iou'), percent(r.box_iou.p50));
  add(t('test.freezes'), String(r.freezes.count), t('test.freezes.text', { n: number(r.freezes.total_s, 1), worst: number(r.freezes.worst_s, 1) }));
  add(t('test.first'), ms(r.first_picture_ms));
  add(t('test.frames'), number(r.frames), r.seconds > 0 ? `${number(r.frames / r.seconds, 1)}/s` : '');
  add(t('test.way'), r.transport === 'webrtc' ? `WebRTC${r.path && ` · ${r.path}`}` : t(`via.${r.transport}`), r.codec ?? '');
  return dl;
}

function list(lines) {
  const ul = document.createElement('ul');
  ul.append(...lines.map((line) => element('li', '', line)));
  return ul;
}
