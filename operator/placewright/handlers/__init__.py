"""The operator: watch, coalesce, solve apart, write once. The only kopf imports stand in `watching`."""
