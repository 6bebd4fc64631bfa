"""What every room stands on: errors, files, settings, devices, weights, cache, tracking."""
