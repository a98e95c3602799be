"""Looking things up: case, aliases, suggestions, and the version of the content."""

import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from placewright import catalog
from placewright.catalog import UnknownKeyError, gpu, gpu_defaults, gpu_keys, model, model_info, model_keys
from placewright.catalog.keys import Index
from placewright.core.errors import PlacewrightError

FILES = ("gpus.yaml", "models.yaml", "configdir_gpus.yaml", "instance_types.yaml", "node_labels.yaml")


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("h100", "H100"),
        (" A100 ", "A100"),
        ("a100 80gb", "A100"),
        ("NVIDIA-A100-SXM4-80GB", "A100"),
        ("NVIDIA-H100-80GB-HBM3", "H100"),
        ("Tesla-T4", "T4"),
        ("rtx_a6000", "A6000"),
        ("4090", "RTX4090"),
        ("AMD_Instinct_MI300X_OAM", "MI300X"),
        ("V100-32GB", "V100"),
    ],
)
def test_gpu_by_case_and_alias(asked: str, key: str) -> None:
    assert gpu(asked).name == key


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("meta-llama/llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("meta-llama/Meta-Llama-3.1-70B", "meta-llama/Llama-3.1-70B-Instruct"),
        ("DeepSeek-R1", "deepseek-ai/DeepSeek-V3"),
    ],
)
def test_model_by_case_alias_and_short_name(asked: str, key: str) -> None:
    assert model_info(asked).key == key


@pytest.mark.parametrize("key", gpu_keys())
def test_every_gpu_answers_to_all_its_names(key: str) -> None:
    assert all(gpu(name) is gpu(key) for name in gpu_defaults(key).aliases)


@pytest.mark.parametrize("key", model_keys())
def test_every_model_answers_to_all_its_names(key: str) -> None:
    info = model_info(key)
    names = (*info.aliases, *(name for name, _ in info.quantized_repositories))
    assert all(model_info(name) is info for name in names)


def test_unknown_gpu_names_the_nearest_in_one_line() -> None:
    with pytest.raises(UnknownKeyError) as caught:
        gpu("H10O")
    assert str(caught.value) == "unknown GPU 'H10O'; did you mean H100, H100-NVL, H100-PCIe?"
    assert caught.value.suggestions[0] == "H100"
    assert (caught.value.kind, caught.value.key) == ("GPU", "H10O")
    assert isinstance(caught.value, PlacewrightError)
    assert isinstance(caught.value, ValueError)


def test_unknown_model_names_the_nearest_in_one_line() -> None:
    with pytest.raises(
        UnknownKeyError, match=r"^unknown model 'meta-llama/Lama-3\.1-70B'; did you mean meta-llama/"
    ) as caught:
        model("meta-llama/Lama-3.1-70B")
    assert caught.value.suggestions[0] == "meta-llama/Llama-3.1-70B-Instruct"
    assert len(caught.value.suggestions) <= 3


def test_nothing_near_says_what_else_to_do() -> None:
    with pytest.raises(UnknownKeyError, match="the catalog has B200, H200, H100"):
        gpu("zzz")
    with pytest.raises(UnknownKeyError, match=r"give model\.architecture, or measurements"):
        model("zzz")
    for empty in ("", "  "):
        with pytest.raises(UnknownKeyError):
            gpu(empty)


def test_one_name_for_two_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="'x_1' names both A and B"):
        Index("GPU", [("A", "X-1"), ("B", "x_1")], hint="")


def test_version_is_a_hash_of_the_data_files() -> None:
    folder = Path(catalog.__file__).parent
    digest = sha256()
    for name in FILES:
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    assert digest.hexdigest()[:10] == catalog.CATALOG_VERSION == catalog.catalog_version()
    assert re.fullmatch("[0-9a-f]{10}", catalog.CATALOG_VERSION)
    assert sorted(path.name for path in folder.glob("*.yaml")) == sorted(FILES)


def test_a_name_that_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'GPUS'"):
        getattr(catalog, "GPUS")  # noqa: B009 - a type checker refuses the plain form


def test_importing_reads_no_data_file() -> None:
    probe = (
        "import placewright.catalog as c, placewright.catalog.files as f;"
        "assert f._raw.cache_info().currsize == 0; c.gpu('H100');"
        "assert f._raw.cache_info().currsize == 1; print('lazy')"
    )
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "lazy"
