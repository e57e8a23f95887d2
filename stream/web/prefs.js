// What this viewer has chosen, kept in the browser. It is the viewer's own: the server knows nothing of it.

const key = 'yfv2d.view';

const defaults = {
  boxes: true,
  labels: true,
  scores: true,
  trails: false,
  hidden: [], // names of classes that are not drawn
  mode: 'low_latency', // or 'exact'
  theme: 'auto', // or 'light', 'dark'
  details: false, // whether the details stand open
};

const listeners = new Set();

export const prefs = { ...defaults, ...load(key, {}) };

// change sets some of the choices, keeps them and tells whoever listens.
export function change(some) {
  Object.assign(prefs, some);
  store(key, prefs);
  listeners.forEach((f) => f(prefs));
}

// override sets some of the choices for this page alone: the self-test's. Nothing is kept from then on.
export function override(some) {
  keep = false;
  Object.assign(prefs, some);
}

export function onChange(f) {
  listeners.add(f);
}

let keep = true;

// load reads what was stored under a name; a browser that keeps nothing has none.
export function load(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function store(name, value) {
  if (!keep) return;
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch { /* a private window or a full store: the choice lasts as long as the page */ }
}

addEventListener('storage', (e) => { // another tab's choice
  if (e.key !== key || !keep) return;
  Object.assign(prefs, defaults, load(key, {}));
  listeners.forEach((f) => f(prefs));
});
