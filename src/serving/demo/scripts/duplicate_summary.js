element.addEventListener('click', event => {
  const button = event.target.closest('button[data-kind]');
  if (button) trigger('click', {kind: button.dataset.kind});
});
