"""Live figures from a Prometheus server: a bounded client, one book of answers, and the queries that are asked."""
