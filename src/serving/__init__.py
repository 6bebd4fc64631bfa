"""One model, many callers: the REST service, the demo, the review queue."""
