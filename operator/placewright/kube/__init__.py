"""The cluster: credentials, reads, the preconditioned status write, Events. The only kubernetes imports."""
