// One key an answer, and on to the next pair; the page's own buttons do the work.
let at = -1;
const sides = () => [...element.querySelectorAll('.sf-side:has(button[data-answer])')];
const go = place => {
  const all = sides();
  if (place >= all.length || place < 0) {
    const name = place < 0 ? 'Back' : 'Next';
    const turn = [...element.querySelectorAll('.sf-pages button')].find(one => one.innerText === name);
    if (turn && !turn.disabled) { at = 0; turn.click(); }
    return;
  }
  for (const one of all) one.removeAttribute('aria-current');
  at = place;
  all[at].setAttribute('aria-current', 'true');
  all[at].scrollIntoView({block: 'nearest'});
};
watch('value', () => setTimeout(() => {
  if (at < 0) at = sides().findIndex(side => side.ariaCurrent === 'true'); // a link's pair
  if (at >= 0) go(Math.min(at, sides().length - 1));
}, 50));
document.addEventListener('keydown', event => {
  const typing = event.target.closest?.('input, textarea, select, [contenteditable], dialog');
  if (typing || element.offsetParent === null || event.ctrlKey || event.metaKey || event.altKey) return;
  const side = sides()[at];
  const press = answer => {
    if (!side) { go(0); return; }
    const button = side.querySelector(`button[data-answer=${answer}]`);
    if (button.getAttribute('aria-pressed') !== 'true') button.click();
    go(at + 1);
  };
  const keys = {
    a: () => press('accepted'),
    r: () => press('rejected'),
    n: () => go(at + 1),
    p: () => go(at - 1),
    u: () => document.querySelector('#duplicates-summary button[data-undo]')?.click(),
    z: () => side?.querySelector('img')?.click(),
  };
  const act = keys[event.key.toLowerCase()];
  if (act) { event.preventDefault(); act(); }
});
