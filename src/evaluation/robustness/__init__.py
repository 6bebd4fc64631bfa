"""How much of a pipeline is left under the conditions that uploads have."""
