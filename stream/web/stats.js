// The receiver's figures, from the browser's own statistics.

// readStats reads a connection: totals, and what has changed since the reading before. Times are ms, rates bits a second;
// what the browser does not tell is null.
export async function readStats(pc, before) {
  const report = await pc.getStats();
  const now = { time: performance.now(), frames: 0, rtt: null, codec: null, buffer: null, bitrate: null, fps: null };
  for (const s of report.values()) {
    if (s.type === 'inbound-rtp' && s.kind === 'video') {
      readInbound(now, s, report);
    } else if (s.type === 'candidate-pair' && s.nominated && s.currentRoundTripTime !== undefined) {
      now.rtt = s.currentRoundTripTime * 1000;
      now.path = pathOf(report.get(s.localCandidateId), report.get(s.remoteCandidateId));
    }
  }
  if (before) compare(now, before);
  return now;
}

function readInbound(now, s, report) {
  Object.assign(now, {
    frames: s.framesDecoded ?? 0,
    bytes: s.bytesReceived ?? 0,
    packets: s.packetsReceived ?? 0,
    lost: s.packetsLost ?? 0,
    nacks: s.nackCount ?? 0,
    plis: s.pliCount ?? 0,
    keys: s.keyFramesDecoded ?? null,
    dropped: s.framesDropped ?? 0,
    freezes: s.freezeCount ?? null,
    delay: s.jitterBufferDelay ?? 0,
    emitted: s.jitterBufferEmittedCount ?? 0,
    decode: s.totalDecodeTime ?? 0,
    decoder: s.decoderImplementation ?? '',
    width: s.frameWidth ?? 0,
    height: s.frameHeight ?? 0,
  });
  const codec = report.get(s.codecId);
  if (codec) now.codec = codec.mimeType.replace('video/', '');
}

function pathOf(local, remote) {
  if (!local || !remote) return '';
  const relay = local.candidateType === 'relay' || remote.candidateType === 'relay';
  return (remote.protocol || local.protocol || '').toUpperCase() + (relay ? ' (relay)' : '');
}

function compare(now, before) {
  const seconds = (now.time - before.time) / 1000;
  if (seconds <= 0) return;
  now.bitrate = Math.max(0, ((now.bytes - before.bytes) * 8) / seconds);
  now.fps = Math.max(0, (now.frames - before.frames) / seconds);
  if (now.emitted > before.emitted) now.buffer = ((now.delay - before.delay) / (now.emitted - before.emitted)) * 1000;
  const packets = now.packets - before.packets;
  const lost = now.lost - before.lost;
  now.loss = packets + lost > 0 ? Math.max(0, lost) / (packets + lost) : 0;
  if (now.frames > before.frames) now.decodeTime = ((now.decode - before.decode) / (now.frames - before.frames)) * 1000;
}
