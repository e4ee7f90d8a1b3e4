"""The search for the from-scratch decoder's settings: space, study, workers, what is shown of it."""
