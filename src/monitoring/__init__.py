"""Is it still right? What was judged is kept, and compared with what training saw."""
