"""The order of effect: the order lock and the one control row that says which revision and stop epoch are in force."""
