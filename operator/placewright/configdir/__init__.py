"""The CSV config-dir format: `config.csv`, `gpu_pool.csv` and `network_bandwidth.csv` in one folder.

`docs/config-dir.md` describes the format; `read_config_dir` turns a folder into a core Request and `network` writes the
bandwidth matrix that nobody wants to write by hand.
"""

from placewright.configdir.faults import ConfigDirError
from placewright.configdir.network import generate_network, network_csv, write_network
from placewright.configdir.pools import read_pool_counts
from placewright.configdir.reader import ConfigDir, read_config_dir

__all__ = [
    "ConfigDir",
    "ConfigDirError",
    "generate_network",
    "network_csv",
    "read_config_dir",
    "read_pool_counts",
    "write_network",
]
