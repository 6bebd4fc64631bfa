"""Listings to embeddings: each photo and text is read once, encoded once, and remembered."""
