"""Files to listings: read, validated, set aside where bad, split, grouped."""
