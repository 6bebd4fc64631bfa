"""Feature families: every way of seeing a title or a photo that `explore` compares, a file each."""
