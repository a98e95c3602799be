"""``make demo``: the real operator against an API in this process, on the samples of ``config/samples``."""
