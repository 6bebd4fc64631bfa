"""The review queue: what people answered, kept and given back as a catalogue."""
