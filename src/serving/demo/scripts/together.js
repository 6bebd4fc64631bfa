// Ticks are the browser's own until a button sends them; a double click is one answer.
const boxes = () => [...element.querySelectorAll('input[name=together]')];
const count = () => {
  const n = boxes().filter(box => box.checked).length;
  for (const place of element.querySelectorAll('[data-count]')) place.textContent = n;
  for (const button of element.querySelectorAll('button[data-kind]')) button.disabled = n === 0;
};
element.addEventListener('change', count);
element.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.page) trigger('submit', {page: button.dataset.page});
  if (button.dataset.tick) {
    for (const box of boxes()) box.checked = button.dataset.tick === 'all';
    count();
  } else if (button.dataset.kind && !button.disabled) {
    button.disabled = true;
    trigger('click', {...button.dataset, items: boxes().filter(box => box.checked).map(box => box.value)});
  }
});
