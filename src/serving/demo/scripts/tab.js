() => {
  // a reload opens the tab that was open
  const query = new URLSearchParams(location.search);
  query.set('tab', '$TAB');
  history.replaceState(history.state, '', `?${query}`);
}
