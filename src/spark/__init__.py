"""The same jobs on a cluster: Spark DataFrames in and out, the work done by the rooms above."""
