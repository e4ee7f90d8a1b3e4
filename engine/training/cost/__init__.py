"""What training costs: time and memory of recipes in their true shapes, measured and estimated."""
