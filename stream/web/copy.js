// Text that a button copies.

import { t } from './strings.js';

const copiedFor = 1500; // ms that the button says so

// copies has a button copy what text() gives, and say so.
export function copies(button, text) {
  button.addEventListener('click', async () => {
    if (!(await copy(text()))) return;
    button.textContent = t('page.copied');
    setTimeout(() => { button.textContent = t('page.copy'); }, copiedFor);
  });
}

// copy says whether it could. A page that came by plain HTTP from another machine has no clipboard but the old way.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'aside';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}
