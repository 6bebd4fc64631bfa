// The page's address follows what is shown, so that a reload, or somebody else, sees it again.
const follow = () => {
  const query = new URLSearchParams(location.search);
  for (const shown of element.querySelectorAll('[data-here]')) {
    if (shown.dataset.tab && shown.dataset.tab !== query.get('tab')) continue;
    for (const [name, value] of new URLSearchParams(shown.dataset.here))
      if (value) query.set(name, value); else query.delete(name);
  }
  const address = `?${query}`;
  if (query.size && address !== location.search) history.replaceState(history.state, '', address);
};
follow();
watch('value', () => setTimeout(follow));
