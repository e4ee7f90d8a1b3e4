"""What is shown, as HTML and SVG: pure functions over plain values. All that comes from elsewhere is escaped."""
