"""The command line. Modules import nothing heavy on top, so that `--help` answers at once."""
