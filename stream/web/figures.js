// The self-test's arithmetic: from the frames that were shown to the figures of the report.

const meanOf = 30; // gaps before a gap that say what is usual
const edge = 10; // s at the beginning and the end that are told apart
const mostSeconds = 400; // of the list by second: a report has at most 64 kB

const at = (sorted, q) => (sorted.length ? round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]) : null);
const sortedBy = (list, f) => Float64Array.from(list.map(f).filter((v) => v !== null)).sort();
export const round = (v, digits = 1) => (v == null || !Number.isFinite(v) ? null : Number(v.toFixed(digits)));

// latencies are the report's latency_ms of frames {shown (page time, ms), latency}.
export function latencies(frames) {
  const all = sortedBy(frames, (f) => f.latency);
  const [first, last] = [frames[0]?.shown ?? 0, frames.at(-1)?.shown ?? 0];
  const early = sortedBy(frames.filter((f) => f.shown < first + edge * 1000), (f) => f.latency);
  const late = sortedBy(frames.filter((f) => f.shown >= last - edge * 1000), (f) => f.latency);
  return {
    p50: at(all, 0.5), p95: at(all, 0.95), p99: at(all, 0.99), max: at(all, 1),
    first10_p50: at(early, 0.5), first10_p95: at(early, 0.95), last10_p50: at(late, 0.5), last10_p95: at(late, 0.95),
  };
}

// freezesOf finds the gaps that a viewer sees: longer than three usual gaps and than a usual one and 150 ms, the rule of the
// browsers' own statistics. end is when the measuring ended: a picture that stands still then has its gap, too.
export function freezesOf(frames, end) {
  const times = [...frames.map((f) => f.shown), end];
  const gaps = [];
  const out = [];
  for (let i = 1; i < times.length; i++) {
    const gap = times[i] - times[i - 1];
    const usual = gaps.length ? gaps.reduce((a, b) => a + b, 0) / gaps.length : 0;
    const frozen = gaps.length > 0 && gap > Math.max(3 * usual, usual + 150);
    if (frozen) out.push({ from: times[i - 1], to: times[i] });
    gaps.push(gap);
    if (gaps.length > meanOf) gaps.shift();
  }
  return out;
}

export function freezeFigures(freezes) {
  const spans = freezes.map((f) => (f.to - f.from) / 1000);
  return {
    count: spans.length,
    total_s: round(spans.reduce((a, b) => a + b, 0), 3),
    worst_s: round(Math.max(0, ...spans), 3),
  };
}

// perSecond lists what each second since start had.
export function perSecond(frames, freezes, start, end) {
  const n = Math.max(1, Math.ceil((end - start) / 1000));
  const out = [];
  let i = 0;
  for (let s = 0; s < n; s++) {
    const [from, to] = [start + s * 1000, start + (s + 1) * 1000];
    const these = [];
    for (; i < frames.length && frames[i].shown < to; i++) these.push(frames[i]);
    const sorted = sortedBy(these, (f) => f.latency);
    const frozen = freezes.reduce((sum, f) => sum + Math.max(0, Math.min(f.to, to) - Math.max(f.from, from)), 0);
    const last = these.at(-1);
    out.push({
      t: s, frames: these.length, p50: at(sorted, 0.5), max: at(sorted, 1), frozen_s: round(frozen / 1000, 3),
      rendition: last?.rendition ?? out.at(-1)?.rendition ?? '', width: last?.width ?? out.at(-1)?.width ?? 0,
    });
  }
  return out.slice(-mostSeconds);
}

// overlaps are the report's box_iou; null if no box was compared.
export function overlaps(list) {
  if (!list.length) return null;
  const sorted = Float64Array.from(list).sort();
  const q = (share) => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))], 3);
  return { p50: q(0.5), p05: q(0.05), count: sorted.length };
}
