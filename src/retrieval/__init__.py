"""What a listing resembles: image-text space, index, out of catalogue, duplicates, zero-shot."""
