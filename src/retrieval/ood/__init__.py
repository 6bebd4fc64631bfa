"""Who doesn't belong: the out-of-catalogue detector, its scores and its calibration."""
