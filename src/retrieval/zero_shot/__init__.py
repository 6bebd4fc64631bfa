"""Categories known by name alone: spaces that photos and texts share."""
