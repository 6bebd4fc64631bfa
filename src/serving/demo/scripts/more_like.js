element.addEventListener('click', event => {
  const button = event.target.closest('button[data-like]');
  if (button) trigger('click', {...button.dataset});
});
