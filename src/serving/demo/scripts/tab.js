// A reload opens the tab that somebody opened. Tabs tell of themselves, too, but also at the start,
// when the first one opens by itself: the address would forget which one it asks for.
document.addEventListener('click', event => {
  const tab = event.target.closest?.('[role=tab][data-tab-id]');
  if (!tab) return;
  const query = new URLSearchParams(location.search);
  query.set('tab', tab.dataset.tabId);
  history.replaceState(history.state, '', `?${query}`);
}, true);
