// Keyboard and touch: what moves between cameras and what changes the picture.

const swipeLeast = 60; // CSS pixels
const swipeSlope = 2; // times as far sideways as up or down

// listen calls actions by name: back, previous, next, full, pip, boxes, details, view, help.
export function listenKeys(actions) {
  const keys = {
    Escape: 'back', ArrowLeft: 'previous', ArrowRight: 'next', ArrowUp: 'up', ArrowDown: 'down',
    f: 'full', p: 'pip', b: 'boxes', d: 'details', v: 'view', '?': 'help',
  };
  addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.altKey || e.metaKey || e.repeat && e.key.length === 1) return;
    if (document.querySelector('dialog[open]') || e.target.closest?.('input, textarea, select')) return;
    const action = actions[keys[e.key.length === 1 ? e.key.toLowerCase() : e.key]];
    if (action?.()) e.preventDefault();
  });
}

// listenSwipes calls previous or next for a finger that moves sideways on a picture.
export function listenSwipes(element, { previous, next }) {
  let from = null;
  element.addEventListener('touchstart', (e) => {
    from = e.touches.length === 1 && e.target.closest('.screen') ? e.touches[0] : null;
  }, { passive: true });
  element.addEventListener('touchend', (e) => {
    const to = e.changedTouches[0];
    if (!from || e.touches.length) return;
    const [dx, dy] = [to.clientX - from.clientX, to.clientY - from.clientY];
    from = null;
    if (Math.abs(dx) < swipeLeast || Math.abs(dx) < swipeSlope * Math.abs(dy)) return;
    if (dx > 0) previous();
    else next();
  }, { passive: true });
}
