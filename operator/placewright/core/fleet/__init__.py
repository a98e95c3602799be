"""Many requests on shared pools, solved as one problem with a proved gap (planning.md section 4)."""
