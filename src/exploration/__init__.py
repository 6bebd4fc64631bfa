"""What is in a catalogue, and what to repair in it before training."""
