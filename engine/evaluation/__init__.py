"""Pure functions over arrays: quality, significance and speed."""
