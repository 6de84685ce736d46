"""Whether the money is right: the ledger beside its attempts and entries, prices that were corrected, providers' invoices."""
