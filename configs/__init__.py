"""The profiles, and more experiments: one YAML file each; the first line is the command for it."""
