// The sheets: what is drawn on the picture and how, and the keys.

import { drawsHere } from './player.js';
import { change, onChange, prefs } from './prefs.js';

const $ = (id) => document.getElementById(id);
const seen = new Set(); // names of classes

// sawClasses adds names to those that can be left out.
export function sawClasses(names) {
  const before = seen.size;
  names.forEach((n) => seen.add(n));
  if (seen.size !== before) showClasses();
}

export function toggleSheet(id) {
  const sheet = $(id);
  if (sheet.open) sheet.close();
  else sheet.showModal();
  return true;
}

export function initSheets() {
  for (const sheet of document.querySelectorAll('dialog')) {
    sheet.addEventListener('click', (e) => {
      if (e.target === sheet || e.target.closest('.close')) sheet.close(); // beside it, or its button
    });
  }
  $('view-button').addEventListener('click', () => toggleSheet('view'));
  $('help-button').addEventListener('click', () => toggleSheet('help'));
  for (const input of $('view').querySelectorAll('[data-pref]')) {
    input.addEventListener('change', () => {
      change({ [input.dataset.pref]: input.type === 'checkbox' ? input.checked : input.value });
    });
  }
  prefs.hidden.forEach((n) => seen.add(n));
  onChange(show);
  show();
}

// show brings the controls and the page's colours to what is chosen.
function show() {
  for (const input of $('view').querySelectorAll('[data-pref]')) {
    const value = prefs[input.dataset.pref];
    input.checked = input.type === 'checkbox' ? value : value === input.value;
  }
  for (const input of $('view').querySelectorAll('[data-needs-boxes]')) input.disabled = !prefs.boxes;
  $('view-burned').hidden = drawsHere();
  if (prefs.theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = prefs.theme;
  showClasses();
}

function showClasses() {
  const list = $('view-classes');
  const names = [...seen].sort();
  $('view-no-classes').hidden = names.length > 0;
  while (list.children.length > names.length) list.lastElementChild.remove();
  names.forEach((name, i) => {
    const chip = list.children[i] || list.appendChild(newChip());
    const input = chip.firstElementChild;
    input.name = name;
    input.checked = !prefs.hidden.includes(name);
    chip.lastElementChild.textContent = name;
  });
}

function newChip() {
  const chip = document.createElement('label');
  chip.className = 'chip';
  const input = document.createElement('input');
  input.type = 'checkbox';
  input.addEventListener('change', () => {
    const others = prefs.hidden.filter((n) => n !== input.name);
    change({ hidden: input.checked ? others : [...others, input.name] });
  });
  chip.append(input, document.createElement('span'));
  return chip;
}
