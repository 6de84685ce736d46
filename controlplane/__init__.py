"""The shell: settings, wiring, processes. It owns no tables; every arrow ends here or starts here."""
