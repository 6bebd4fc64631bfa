"""Listings in, verdicts out: training, prediction, the bundle, and why an answer was given."""
