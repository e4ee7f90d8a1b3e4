"""Charts as SVG and HTML: pure functions over plain values, in the page's own colours, light and dark; one a file."""
