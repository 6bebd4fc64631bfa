"""Backbones compared on one catalogue: frozen and fine-tuned, over seeds."""
