"""Constants of the config-dir format, which must never drift."""

from collections.abc import MutableMapping

import pytest

from placewright.catalog import UnknownKeyError, configdir_keys, configdir_rates, configdir_tensor_efficiency

AS_DESIGNED = {
    "H100": (989, 3350, 0.65),
    "A100": (312, 2039, 0.60),
    "L40S": (362, 864, 0.55),
    "A40": (150, 696, 0.55),
    "L40": (181, 864, 0.50),
    "V100": (125, 900, 0.55),
    "RTX4090": (165, 1008, 0.50),
    "L20": (119, 480, 0.50),
    "A10": (125, 600, 0.45),
    "T4": (65, 320, 0.40),
}


def test_constants_are_those_of_the_format() -> None:
    assert {key: tuple(configdir_rates(key)) for key in configdir_keys()} == AS_DESIGNED


def test_tensor_parallel_efficiency_is_that_of_the_format() -> None:
    table = configdir_tensor_efficiency()
    assert dict(table) == {1: 1.0, 2: 0.9, 4: 0.8, 8: 0.7}
    assert not isinstance(table, MutableMapping)


def test_aliases_of_the_gpu_catalog_work() -> None:
    assert configdir_rates("rtx-4090") == configdir_rates("RTX4090")
    assert configdir_rates("V100-32GB").efficiency == 0.55


def test_a_known_gpu_without_constants_says_which_have_them() -> None:
    with pytest.raises(UnknownKeyError, match="the config-dir format has constants for H100, A100, L40S"):
        configdir_rates("B200")


def test_a_misspelt_gpu_type_is_corrected() -> None:
    with pytest.raises(UnknownKeyError, match="did you mean T4"):
        configdir_rates("T5")
