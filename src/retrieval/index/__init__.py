"""What a listing index is made of; `retrieval.store.ListingIndex` is the door."""
