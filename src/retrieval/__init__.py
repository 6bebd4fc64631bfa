"""What a listing resembles: joint space, index, out-of-catalogue gate, duplicates, zero-shot."""
