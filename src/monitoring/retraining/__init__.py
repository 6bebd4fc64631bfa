"""From a catalogue and people's answers to a challenger, again and again."""
