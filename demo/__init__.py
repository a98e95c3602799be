"""`make demo`: the whole product without a cluster."""
