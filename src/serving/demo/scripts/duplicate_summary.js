element.addEventListener('click', event => {
  const button = event.target.closest('button[data-kind], button[data-undo]');
  if (button) trigger('click', {...button.dataset});
});
