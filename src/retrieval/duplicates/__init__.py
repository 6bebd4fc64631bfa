"""Which listings are the same thing twice: candidates, a close look, one verdict, groups."""
