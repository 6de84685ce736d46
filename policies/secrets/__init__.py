"""Named secrets of operators and the hosts they may be sent to. Documents name a secret; only this room reads one."""
