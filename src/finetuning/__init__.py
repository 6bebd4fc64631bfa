"""Fine-tuning an image backbone on a catalogue."""
