// Every word that the page says, by language. To add one: a table beside en with the same keys; `{name}` is put in.

const en = {
  'page.summary.live': 'Live',
  'page.summary.notlive': 'Not live',
  'page.summary.some': '{live} of {all} live',
  'page.object': '{n} object',
  'page.objects': '{n} objects',
  'page.title.down': '({n} down) yfv2d',
  'page.offline': 'The server does not answer. Trying again.',
  'page.empty.title': 'No cameras yet',
  'page.empty.text': 'Add one to the configuration file, then run “systemctl reload yfv2d” (or send SIGHUP):',
  'page.better': 'Better weights:',
  'page.copy': 'Copy',
  'page.copied': 'Copied',
  'page.view': 'View',
  'page.help': 'Help',
  'page.model': 'model {name}',
  'page.engine': 'engine {name}',

  'state.connecting': 'Starting',
  'state.stalled': 'Stalled',
  'state.retrying': 'Down',
  'state.ended': 'Ended',
  'state.failed': 'Failed',
  'state.live': 'Live',
  'state.reconnecting': 'Reconnecting',
  'state.joining': 'Connecting',
  'state.paused': 'Paused',
  'veil.connecting': 'Waiting for the camera',
  'veil.stalled': 'No picture from the camera',
  'veil.retrying': 'Camera is down',
  'veil.ended': 'The source has ended',
  'veil.failed': 'Camera has failed',
  'veil.now': 'Trying again now',
  'veil.next': 'Next try in {n} s',
  'veil.retry': 'Try again now',

  'player.lost': 'The connection was lost',
  'player.ended': 'The server ended the connection',
  'player.still': 'The picture stands still',
  'player.nothing': 'No picture has come',
  'player.silent': 'The server does not answer',
  'player.failed': 'The connection failed',

  'via.mjpeg': 'MJPEG',
  'via.snapshots': 'Stills',
  'via.mjpeg.why': 'Shown as MJPEG, some pictures a second: {why}. WebRTC is tried again in the background.',
  'via.snapshots.why': 'Shown as stills, about one a second: {why}. WebRTC is tried again in the background.',
  'via.slow': 'WebRTC has brought no picture within {n} s (is UDP blocked on the way?)',

  'card.open': 'Open {name}',
  'card.video': 'Live picture of {name}',
  'card.still': 'Still picture of {name}',
  'card.back': 'All cameras',
  'card.previous': 'Previous camera',
  'card.next': 'Next camera',
  'card.snapshot': 'Still picture',
  'card.full': 'Full screen',
  'card.pip': 'Picture in picture',
  'card.details': 'Details',
  'card.insight': 'In sight',
  'card.nothing': 'Nothing right now',
  'card.more': '+{n}',

  'fact.size': 'Picture',
  'fact.fps': 'Frames',
  'fact.detect': 'Detection',
  'fact.latency': 'Latency',
  'fact.drops': 'Drops',
  'fact.viewers': 'Viewers',
  'fact.none': 'no detections: the source for the network gives no picture',
  'fact.input': 'network input {w} × {h}',
  'fact.lost': 'of {all} frames: before letterbox {capture}, before overlay {preview}, skipped by the encoder {skipped}, failed {failed}',
  'fact.latency.measured': 'measured: from the capture of a frame until it is on the screen, middle of the newest frames',
  'fact.latency.guess': 'estimate: capture to sent {sent} ms, half the round trip and jitter buffer {receiver} ms',
  'fact.latency.none': 'known while the picture plays',

  'object.best': 'best {score} of {n}',
  'object.seen': 'seen for {time}',
  'object.stands': 'stands for {time}',
  'object.speed': '{n} px/s',
  'object.class': 'class {n}',

  'details.title': 'Connection',
  'details.via': 'Way',
  'details.codec': 'Codec',
  'details.rendition': 'Rendition',
  'details.size': 'Received',
  'details.rate': 'Bit rate',
  'details.latency': 'Capture to screen',
  'details.buffer': 'Jitter buffer',
  'details.rtt': 'Round trip',
  'details.loss': 'Packets lost',
  'details.resent': 'Asked again',
  'details.dropped': 'Frames dropped',
  'details.freezes': 'Freezes',
  'details.aligned': 'Boxes of the frame',
  'details.clock': 'Clock offset',
  'details.relayed': "camera's own stream",
  'rendition.clean': 'clean, boxes drawn here',
  'rendition.annotated': 'boxes burned in',
  'rendition.small': 'small',
  'rendition.moved': 'small, for this link',

  'view.title': 'View',
  'view.draw': 'On the picture',
  'view.boxes': 'Boxes',
  'view.labels': 'Labels',
  'view.scores': 'Scores',
  'view.trails': 'Trails',
  'view.classes': 'Show',
  'view.classes.none': 'Classes appear here once something has been seen.',
  'view.burned': 'This browser does not tell which frame it shows, so the server draws the boxes; of these only “Boxes” has an effect.',
  'view.mode': 'Boxes and delay',
  'view.low_latency': 'Low latency',
  'view.low_latency.text': 'The newest picture; boxes are predicted onto it.',
  'view.exact': 'Exact',
  'view.exact.text': 'A little later; boxes as they were detected.',
  'view.theme': 'Colours',
  'view.auto': 'System',
  'view.light': 'Light',
  'view.dark': 'Dark',
  'view.close': 'Close',

  'help.title': 'Keys',
  'help.open': 'open a camera',
  'help.back': 'back to all cameras',
  'help.move': 'other camera (or swipe)',
  'help.f': 'full screen',
  'help.p': 'picture in picture',
  'help.b': 'boxes on and off',
  'help.d': 'details',
  'help.v': 'view: labels, classes, colours',
  'help.help': 'this help',
};

const tables = { en };

// lang is the reader's language if there is a table for it, else English.
export const lang = (navigator.languages || [navigator.language]).map((l) => l.split('-')[0]).find((l) => tables[l]) || 'en';

// t is the text of a key, with values put in.
export function t(key, values = {}) {
  const text = tables[lang][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// translate fills elements that name their text (data-t), or their title and label (data-t-title).
export function translate(root) {
  for (const e of root.querySelectorAll('[data-t]')) e.textContent = t(e.dataset.t);
  for (const e of root.querySelectorAll('[data-t-title]')) {
    e.title = t(e.dataset.tTitle);
    e.setAttribute('aria-label', e.title);
  }
}
