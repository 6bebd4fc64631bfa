// Opens the tab that the address names. Asked of the server, its answer could come after somebody's
// click on another tab, and take them back.
() => {
  const asked = new URLSearchParams(location.search).get('tab');
  const there = [...document.querySelectorAll('[role=tab][data-tab-id]')].some(tab => tab.dataset.tabId === asked);
  return there ? {selected: asked, __type__: 'update'} : {__type__: 'update'};
}
