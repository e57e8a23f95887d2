// The facts of a camera, and the figures of the way that its picture takes to this page.

import { quantile } from './overlay.js';
import { t } from './strings.js';
import { fact, number, percent, rate, sentences } from './text.js';

// showFacts shows what the server says of a camera.
export function showFacts(facts, c) {
  fact(facts.size, c.size.width ? `${c.size.width} × ${c.size.height}` : '–');
  fact(facts.fps, c.fps.capture ? number(c.fps.capture, 1) : '–', c.fps.capture ? '/s' : '');
  fact(facts.viewers, String(c.preview.viewers));
  showDetection(facts.detect, c);
  showDrops(facts.drops, c.ledger);
}

// showDetection says how fast the network is; or, of a camera whose network looks at a source of its own, that this gives
// it nothing to look at, for the picture does not tell.
function showDetection(dd, c) {
  const d = c.detect_time_ms;
  const own = c.detect_source;
  if (own && own.state !== 'live') {
    fact(dd, own.state);
    dd.title = sentences(t('fact.none'), own.reason);
    return;
  }
  fact(dd, d.count ? number(d.p50, 1) : '–', d.count ? `ms, ${number(c.fps.detect)}/s` : '');
  dd.title = t('fact.input', { w: c.input.width, h: c.input.height });
}

// showDrops counts the frames lost to load or faults; what nobody asked for (no viewer, not due) is no loss.
function showDrops(dd, ledger) {
  const p = ledger.preview_dropped;
  const lost = p.capture_slot + p.preview_slot + p.encode_skipped + p.failed;
  const share = ledger.captured ? lost / ledger.captured : 0;
  fact(dd, number(lost), lost ? percent(share, share < 0.01 ? 2 : 1) : '');
  dd.title = t('fact.lost', { all: ledger.captured, capture: p.capture_slot, preview: p.preview_slot, skipped: p.encode_skipped, failed: p.failed });
}

// showLatency shows what the page has measured, or else adds up what the server measured (capture to sent) and the
// receiver's share.
export function showLatency(dd, c, overlay, stats, playing) {
  const measured = playing ? quantile(overlay.latencies, 0.5) : null;
  const sent = c.latency_ms.sent;
  if (measured !== null) {
    fact(dd, number(measured), 'ms');
    dd.title = t('fact.latency.measured');
  } else if (playing && sent.count > 0 && stats?.buffer != null && stats.rtt !== null) {
    const receiver = stats.buffer + stats.rtt / 2;
    fact(dd, `≈ ${number(sent.p50 + receiver)}`, 'ms');
    dd.title = t('fact.latency.guess', { sent: number(sent.p50, 1), receiver: number(receiver, 1) });
  } else {
    fact(dd, '–');
    dd.title = t('fact.latency.none');
  }
}

// showConnection shows the figures of the way to this page.
export function showConnection(dd, { player, fallback, overlay, camera, clock }) {
  const s = player.state === 'playing' ? player.stats : null;
  const show = (name, value, unit) => fact(dd[name], value ?? '–', value == null ? '' : unit);
  const ms = (v, digits = 0) => (v == null ? null : number(v, digits));
  show('via', fallback.via ? t(`via.${fallback.via}`) : s && `WebRTC${s.path ? ` · ${s.path}` : ''}`);
  show('codec', s?.codec);
  dd.codec.title = s?.decoder || '';
  show('rendition', s && renditionText(player, s, camera));
  show('size', s?.width ? `${s.width} × ${s.height}` : null, s?.fps != null ? `${number(s.fps)}/s` : '');
  show('rate', s?.bitrate == null ? null : rate(s.bitrate));
  showMeasured(dd.latencyP, overlay, s);
  show('buffer', ms(s?.buffer), 'ms');
  show('rtt', ms(s?.rtt ?? clock.rtt, 1), 'ms');
  show('loss', s && number(s.lost), s?.loss ? percent(s.loss) : '');
  show('resent', s && number(s.nacks));
  show('dropped', s && number(s.dropped));
  show('freezes', s?.freezes == null ? null : number(s.freezes));
  const own = s && player.rendition !== 'annotated' && overlay.shown > 0;
  show('aligned', own ? percent(overlay.aligned / overlay.shown) : null);
  show('clock', clock.rtt === null ? null : number(clock.offset, 1), `ms ± ${number((clock.rtt ?? 0) / 2, 1)}`);
}

function showMeasured(dd, overlay, s) {
  const p50 = s ? quantile(overlay.latencies, 0.5) : null;
  const p95 = s ? quantile(overlay.latencies, 0.95) : null;
  fact(dd, p50 === null ? '–' : number(p50), p50 === null ? '' : `ms, 95 % ${number(p95)}`);
}

// renditionText says what is shown. A viewer of clean is moved to small when the link cannot carry more: the picture's
// width tells.
export function renditionText(player, stats, camera) {
  const moved = isMoved(player, stats, camera);
  const text = moved ? t('rendition.moved') : t(`rendition.${player.rendition}`);
  const relayed = camera.preview.renditions?.some((r) => r.name === player.rendition && r.relay);
  return relayed && !moved ? `${text} · ${t('details.relayed')}` : text;
}

export function isMoved(player, stats, camera) {
  return player.rendition === 'clean' && stats.width > 0 && camera.size.width > 0 && stats.width <= camera.size.width * 0.6;
}
