// Any photo of the page, whole and as large as the window; of a case of duplicates all its photos.
const dialog = element.querySelector('dialog');
document.addEventListener('click', event => {
  const image = event.target.closest?.('.sf-photo img');
  if (!image || dialog.open || image.closest('label')) return; // a label's photo ticks its box
  const photos = image.closest('.sf-sides')?.querySelectorAll('.sf-photo img') ?? [image];
  const copies = [...photos].slice(0, 4).map(one => one.cloneNode());
  for (const one of copies) one.removeAttribute('loading');
  dialog.replaceChildren(...copies);
  dialog.showModal();
});
dialog.addEventListener('click', () => dialog.close());
