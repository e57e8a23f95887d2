// Which boxes belong on a frame. Pure functions over a camera's messages.

const spanIntervals = 1.5; // detection intervals that a box is moved for, as the server does
const spanMax = 1000; // ms

// tracksOn chooses the tracks of the frame with this RTP timestamp: {tracks, size, at, aligned}, null if nothing is known
// of it. aligned says that the frame's own message was used.
export function tracksOn(feed, rtp, mode) {
  const own = feed.frames.get(rtp);
  const at = own ? own.at : feed.timeOf(rtp);
  if (at === null) return null;
  if (own) {
    const tracks = mode === 'exact' ? between(feed.detects, at, own) : own.tracks;
    return { tracks, size: own.size, at, aligned: true };
  }
  const last = feed.detects.at(-1);
  if (!last) return null;
  const [before, after] = mode === 'exact' ? around(feed.detects, at) : [];
  const tracks = before && after ? blend(before, after, at) : last.tracks.map((t) => moved(t, at - last.at, last));
  return { tracks, size: last.size, at, aligned: false };
}

// between places each object between the detections around the frame. Without a later detection (the network is late)
// the frame's own prediction stands.
function between(detects, at, own) {
  const [before, after] = around(detects, at);
  if (!before || !after) return own.tracks;
  return scaled(blend(before, after, at), after.size, own.size);
}

// around finds the last detection until a moment and the first from it on; the same one if they meet.
export function around(detects, at) {
  let before, after;
  for (let i = detects.length - 1; i >= 0; i--) {
    if (detects[i].at >= at - 0.05) after = detects[i]; // times come in tenths of a ms
    if (detects[i].at <= at + 0.05) {
      before = detects[i];
      break;
    }
  }
  return [before, after];
}

// blend is the tracks at a moment between two detections. An object that only the later one knows was there before
// if it is old enough; one that only the earlier one knows has gone.
export function blend(before, after, at) {
  const k = after.at > before.at ? (at - before.at) / (after.at - before.at) : 1;
  const old = new Map(before.tracks.map((t) => [t.id, t]));
  const out = [];
  for (const t of after.tracks) {
    const from = old.get(t.id);
    if (from) {
      const box = t.box.map((v, i) => from.box[i] + (v - from.box[i]) * k);
      out.push({ ...t, box, predicted: t.predicted || (from.predicted && k < 0.5) });
    } else if (t.age * 1000 >= after.at - at) {
      out.push(moved(t, at - after.at, after));
    }
  }
  return out;
}

// moved is a track ms later (or earlier) than it was told, moving for as long as the server would move it, then held.
export function moved(t, ms, detect) {
  const span = Math.min(spanIntervals * detect.interval_ms, spanMax);
  const s = Math.max(-span, Math.min(span, ms));
  const [dx, dy] = t.stationary || t.predicted ? [0, 0] : [(t.vx * s) / 1000, (t.vy * s) / 1000];
  const [x0, y0, x1, y1] = t.box;
  return { ...t, box: [x0 + dx, y0 + dy, x1 + dx, y1 + dy], predicted: t.predicted || s !== ms };
}

function scaled(tracks, from, to) {
  if (!from || !to || (from[0] === to[0] && from[1] === to[1])) return tracks;
  const [kx, ky] = [to[0] / from[0], to[1] / from[1]];
  return tracks.map((t) => ({ ...t, vx: t.vx * kx, vy: t.vy * ky, box: t.box.map((v, i) => v * (i % 2 ? ky : kx)) }));
}
