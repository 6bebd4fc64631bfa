"""Files that visitors send, taken in without trusting them."""
