"""The search draws, trains and prunes settings of the from-scratch decoder."""
