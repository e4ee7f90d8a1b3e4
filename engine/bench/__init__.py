"""Us against others: answers, training, searches and the page, measured in turns."""
