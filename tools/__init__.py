"""What makes the data that Shelfsure ships; runs from a checkout, is never installed."""
