"""A folder in the config-dir format that is sound, and can be spoiled in one place."""

from collections.abc import Callable
from pathlib import Path

import pytest

PARAMETERS = {
    "sequence_length": "2048",
    "batch_size": "16",
    "model_name": "llama-7b",
    "num_decoder_layers": "12",
    "d_model": "4096",
    "layer_weight_memory_gb": "0.5",
}
POOLS = "gpu_type,count,memory_gb,dollar_per_hour\nA100,2,80,1.5\nT4,1,16,0.2\n"
NETWORK = ",g0,g1,g2\ng0,0,300,12\ng1,250,0,11\ng2,10,9,0\n"

MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    def make(
        changes: dict[str, str | None] | None = None,
        *,
        config: str | None = None,
        pools: str = POOLS,
        network: str = NETWORK,
    ) -> Path:
        folder = tmp_path / "my-config"
        folder.mkdir()
        values = {name: text for name, text in {**PARAMETERS, **(changes or {})}.items() if text is not None}
        lines = "".join(f"{name},{text}\n" for name, text in values.items())
        (folder / "config.csv").write_text(config if config is not None else f"parameter,value\n{lines}")
        (folder / "gpu_pool.csv").write_text(pools)
        (folder / "network_bandwidth.csv").write_text(network)
        return folder

    return make
