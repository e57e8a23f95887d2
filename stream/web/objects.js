// What is in sight of a camera: the list beside the picture and the short form in the grid.

import { t } from './strings.js';
import { duration, number, set } from './text.js';

const dimAfter = 0.5; // s that an object may be unseen before its row dims: a reading's own delay is no absence
const kinds = 3; // named in the short form

// showObjects fills a list with a reading's objects; serverTime is that reading's, ms.
export function showObjects(list, objects, serverTime) {
  while (list.children.length > objects.length) list.lastElementChild.remove();
  objects.forEach((o, i) => {
    const row = list.children[i] || list.appendChild(newRow());
    const [id, kind, bar, score, life] = row.children;
    set(id, `#${o.id}`);
    set(kind, nameOf(o));
    bar.firstElementChild.style.width = `${Math.round(o.score * 100)}%`;
    set(score, number(o.score, 2));
    score.title = t('object.best', { score: number(o.best_score, 2), n: number(o.detections) });
    set(life, `${t('object.seen', { time: duration(o.age) })} · ${motion(o, serverTime)}`);
    row.classList.toggle('predicted', o.predicted && o.unseen > dimAfter);
  });
}

// brief says what is in sight in a few words: "person 2 · dog".
export function brief(objects) {
  const counts = new Map();
  for (const o of objects) counts.set(nameOf(o), (counts.get(nameOf(o)) || 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const text = sorted.slice(0, kinds).map(([name, n]) => (n > 1 ? `${name} ${n}` : name));
  if (sorted.length > kinds) text.push(t('card.more', { n: sorted.length - kinds }));
  return text.join(' · ');
}

export const nameOf = (o) => o.class || t('object.class', { n: o.class_id });

// motion says how fast an object moves, or how long it has stood where it is.
function motion(o, serverTime) {
  if (!o.stationary) return t('object.speed', { n: Math.round(o.speed) });
  return t('object.stands', { time: duration((serverTime - Date.parse(o.stationary_since)) / 1000) });
}

function newRow() {
  const row = document.createElement('li');
  row.className = 'object';
  for (const name of ['id', 'class', 'bar', 'score', 'life']) {
    const cell = document.createElement('span');
    cell.className = name;
    row.append(cell);
  }
  row.children[2].append(document.createElement('i'));
  return row;
}
