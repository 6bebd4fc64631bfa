document.addEventListener('keydown', event => {
  const fields = 'input, textarea, select, [contenteditable], [role=dialog]';
  const typing = event.target.closest?.(fields);
  const hidden = element.offsetParent === null;
  if (typing || hidden || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (!/^[1-9a-z]$/.test(key)) return;
  const button = element.querySelector(`button[data-key="${key}"]`);
  if (button) { event.preventDefault(); button.click(); }
});
