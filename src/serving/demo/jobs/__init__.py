"""Long work of the page: it outlives the browser's tab, and what came out the server, too."""
