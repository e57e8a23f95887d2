// Numbers and times as people read them.

import { t } from './strings.js';

// duration writes seconds as "12 s", "2:15" or "1:02:03"; as a clock also what is less than a minute: "0:12".
export function duration(seconds, clock = false) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60 && !clock) return `${s} s`;
  const two = (n) => String(n).padStart(2, '0');
  const m = Math.floor(s / 60);
  return m < 60 ? `${m}:${two(s % 60)}` : `${Math.floor(m / 60)}:${two(m % 60)}:${two(s % 60)}`;
}

// number writes a number with so many digits after the point. The browser's own way to write one takes it 100 ms to begin with,
// just when the first picture is under way.
export function number(n, digits = 0) {
  const [whole, rest] = n.toFixed(digits).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, t('number.group'));
  return rest ? grouped + t('number.point') + rest : grouped;
}

export const percent = (share, digits = 1) => `${number(share * 100, digits)} %`;

// rate writes bits a second.
export function rate(bits) {
  return bits >= 1e6 ? `${number(bits / 1e6, 2)} Mbit/s` : `${number(bits / 1e3)} kbit/s`;
}

// sentences joins what there is of some sentences, each ended by a full stop but the last.
export function sentences(...parts) {
  return parts.filter(Boolean).reduce((text, part) => (text ? text.replace(/([^.?!])$/, '$1.') + ' ' + part : part), '');
}

// set changes an element's text if it is another one.
export function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// element makes one with a text.
export function element(name, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.textContent = text;
  return e;
}

// fact shows a value and, smaller, its unit.
export function fact(dd, value, unit = '') {
  if (!dd.firstChild) dd.append('', document.createElement('small'));
  set(dd.firstChild, unit ? `${value} ` : value);
  set(dd.lastChild, unit);
}
