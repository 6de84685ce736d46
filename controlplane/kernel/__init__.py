"""The bottom of the house: errors, money, ids, time and who is asking. Standard library only."""
