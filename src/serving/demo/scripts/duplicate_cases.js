// The page marks an answer by itself, so that a click neither moves the page nor loses the focus.
let turned = false;
element.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (button?.dataset.page) { turned = true; trigger('submit', {page: button.dataset.page}); }
  if (!button?.dataset.pairs) return;
  const again = button.getAttribute('aria-pressed') === 'true';
  const answer = again ? '' : button.dataset.answer;
  for (const pair of button.dataset.pairs.split(','))
    for (const one of element.querySelectorAll(`button[data-pairs="${pair}"][aria-pressed]`))
      one.setAttribute('aria-pressed', String(one.dataset.answer === answer));
  trigger('click', {pairs: button.dataset.pairs, answer});
});
watch('value', () => { if (turned) element.scrollIntoView(); turned = false; });
