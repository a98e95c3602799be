"""A folder becomes a request, with every parameter where it belongs."""

import codecs
from collections.abc import Callable
from pathlib import Path

import pytest

from placewright.configdir import ConfigDirError, read_config_dir
from placewright.core.model import (
    FixedEfficiency,
    Gates,
    Method,
    Objective,
    ObjectiveType,
    Parallelism,
    Precision,
    Runtime,
    SolverOptions,
    Workload,
)

MakeFolder = Callable[..., Path]


def performance_of(folder: Path, **overrides: str) -> FixedEfficiency:
    performance = read_config_dir(folder, overrides=overrides).request.performance
    assert isinstance(performance, FixedEfficiency)
    return performance


def test_a_folder_with_the_required_parameters(make_folder: MakeFolder) -> None:
    read = read_config_dir(make_folder())
    request = read.request
    assert read.warnings == ()
    assert (request.name, request.namespace, request.model_name) == ("my-config", "", "llama-7b")
    assert request.architecture is None
    assert request.precisions == (Precision(name="fp16", drift_percent=0.0),)
    assert request.workload == Workload(input_tokens=2048, output_tokens=0)
    assert request.parallelism == Parallelism(allow_mixed_pools=True, runtime=Runtime.ANY)
    assert request.objective == Objective()
    assert request.gates == Gates()
    assert request.solver == SolverOptions()
    assert request.performance == FixedEfficiency(
        sequence_length=2048,
        batch_sizes=(16,),
        hidden_size=4096,
        layers=12,
        bytes_per_element=2,
        layer_weight_gib=0.5,
        gpu_rates={"A100": (312.0, 2039.0, 0.6), "T4": (65.0, 320.0, 0.4)},
        link_gbps={("A100", "A100"): 250.0, ("A100", "T4"): 11.0, ("T4", "A100"): 9.0, ("T4", "T4"): 0.0},
    )


def test_pools_are_the_gpu_types_in_one_node_each(make_folder: MakeFolder) -> None:
    first, second = read_config_dir(make_folder(), max_tensor_parallel={"a100": 2}).request.pools
    assert (first.name, first.gpu.name, first.nodes, first.gpus_per_node) == ("A100", "A100", 1, 2)
    assert (first.gpu.memory_gib, first.price_per_gpu_hour, first.max_tensor_parallel) == (80.0, 1.5, 2)
    assert (second.name, second.gpus, second.gpu.memory_gib) == ("T4", 1, 16.0)
    assert second.max_tensor_parallel == 8


def test_every_parameter_has_its_place(make_folder: MakeFolder) -> None:
    folder = make_folder(
        {
            "d_hidden": "11008",
            "vocab_size": "32000",
            "num_attention_heads": "32",
            "time_limit_seconds": "12.5",
            "optimality_gap": "0.01",
            "bytes_per_element": "1",
            "enable_segment_quantization": "TRUE",
            "max_pipeline_stages": "4",
            "min_layers_per_stage": "3",
            "min_memory_utilization": "0.25",
            "cost_throughput_weight": "0.75",
            "max_hourly_cost": "20",
            "max_cost_per_token": "2.5e-8",
            "throughput_normalization": "1000",
            "cost_normalization": "50",
        }
    )
    request = read_config_dir(folder, method=Method.WEIGHTED).request
    assert request.solver == SolverOptions(
        method=Method.WEIGHTED, time_limit_seconds=12.5, gap_percent=1.0, target_cost_per_million_tokens=0.025
    )
    assert request.precisions[0].name == "int8"
    assert request.parallelism.max_pipeline == 4
    assert request.parallelism.min_layers_per_stage == 3
    assert request.gates == Gates(max_cost_per_million_tokens=0.025, max_cost_per_hour=20.0)
    assert request.objective == Objective(
        type=ObjectiveType.WEIGHTED, cost_weight=0.75, cost_normalization=50.0, throughput_normalization=1000.0
    )
    model = performance_of(folder)
    assert (model.bytes_per_element, model.quantized_segments, model.min_memory_utilization) == (1, True, 0.25)


@pytest.mark.parametrize("method", [Method.EXACT, Method.ENUMERATION, Method.ITERATIVE])
def test_the_weight_counts_for_the_weighted_method_alone_unless_it_is_asked_for(
    make_folder: MakeFolder, method: Method
) -> None:
    folder = make_folder({"cost_throughput_weight": "0.0"})
    assert read_config_dir(folder, method=method).request.objective.type is ObjectiveType.COST_PER_TOKEN
    asked = read_config_dir(folder, method=method, cost_weight=0.9).request
    assert (asked.objective.type, asked.objective.cost_weight) == (ObjectiveType.WEIGHTED, 0.9)
    assert asked.solver.method is method


def test_a_batch_range_offers_its_ends_and_the_powers_of_two_between(make_folder: MakeFolder) -> None:
    folder = make_folder({"batch_size": None, "min_batch_size": "6", "max_batch_size": "100"})
    assert performance_of(folder).batch_sizes == (6, 8, 16, 32, 64, 100)


@pytest.mark.parametrize(
    ("least", "most", "sizes"),
    [("8", "64", (8, 16, 32, 64)), ("1", "1", (1,)), ("48", "48", (48,)), ("5", "7", (5, 7)), ("1", "5", (1, 2, 4, 5))],
)
def test_batch_ranges(make_folder: MakeFolder, least: str, most: str, sizes: tuple[int, ...]) -> None:
    folder = make_folder({"batch_size": None, "min_batch_size": least, "max_batch_size": most})
    assert performance_of(folder).batch_sizes == sizes


@pytest.mark.parametrize(
    ("name", "text"), [("max_hourly_cost", "999.0"), ("max_hourly_cost", "999"), ("max_cost_per_token", "999.0")]
)
def test_999_is_the_formats_word_for_no_limit(make_folder: MakeFolder, name: str, text: str) -> None:
    request = read_config_dir(make_folder({name: text})).request
    assert request.gates == Gates()
    assert request.solver.target_cost_per_million_tokens is None


def test_both_ways_to_give_the_price_may_agree(make_folder: MakeFolder) -> None:
    folder = make_folder({"max_cost_per_token": "1e-7", "max_cost_per_million_token": "0.1"})
    assert read_config_dir(folder).request.gates.max_cost_per_million_tokens == pytest.approx(0.1)


def test_overrides_win_over_the_file(make_folder: MakeFolder) -> None:
    folder = make_folder({"enable_segment_quantization": "true", "max_cost_per_token": "1e-7"})
    model = performance_of(folder, enable_segment_quantization="false", d_model="8192")
    assert (model.quantized_segments, model.hidden_size) == (False, 8192)
    assert performance_of(folder, min_batch_size="4", max_batch_size="8").batch_sizes == (4, 8)
    request = read_config_dir(folder, overrides={"max_cost_per_million_token": "0.3"}).request
    assert request.gates.max_cost_per_million_tokens == 0.3


def test_an_override_of_the_batch_size_replaces_the_files_range(make_folder: MakeFolder) -> None:
    folder = make_folder({"batch_size": None, "min_batch_size": "4", "max_batch_size": "8"})
    assert performance_of(folder, batch_size="5").batch_sizes == (5,)


def test_byte_order_marks_crlf_blank_lines_and_spaces_do_no_harm(make_folder: MakeFolder) -> None:
    plain = make_folder()
    want = read_config_dir(plain).request
    for name in ("config.csv", "gpu_pool.csv", "network_bandwidth.csv"):
        file = plain / name
        lines = [line.replace(",", " , ") for line in file.read_text().splitlines()]
        file.write_bytes(codecs.BOM_UTF8 + b"\r\n" + "\r\n\r\n,,\r\n".join(lines).encode() + b"\r\n \r\n")
    assert read_config_dir(plain).request == want


def test_whole_numbers_may_look_like_a_spreadsheet_wrote_them(make_folder: MakeFolder) -> None:
    assert performance_of(make_folder({"num_decoder_layers": "12.0", "d_model": "4.096e3"})).layers == 12


def test_unknown_parameters_warn_with_the_nearest_name(make_folder: MakeFolder) -> None:
    read = read_config_dir(make_folder({"max_hourly_costs": "3", "workload_phase": "prefill"}))
    assert read.request.gates.max_cost_per_hour is None
    near, far = read.warnings
    assert "max_hourly_costs: unknown parameter, it has no effect; did you mean max_hourly_cost?" in near
    assert far.endswith("workload_phase: unknown parameter, it has no effect")


def test_prices_that_are_not_given_come_from_the_catalog_and_say_so(make_folder: MakeFolder) -> None:
    read = read_config_dir(make_folder(pools="gpu_type,count,memory_gb,dollar_per_hour\nA100,2,80,\nT4,1,16,0.2\n"))
    first, second = read.request.pools
    assert first.price_per_gpu_hour is not None
    assert first.price_per_gpu_hour > 0
    assert second.price_per_gpu_hour == 0.2
    (warning,) = read.warnings
    assert f"A100 dollar_per_hour: no price given; ${first.price_per_gpu_hour:g}/h from the catalog" in warning


@pytest.mark.parametrize("missing", ["sequence_length", "num_decoder_layers", "d_model", "layer_weight_memory_gb"])
def test_a_missing_required_parameter_names_itself(make_folder: MakeFolder, missing: str) -> None:
    with pytest.raises(ConfigDirError, match=rf"config\.csv {missing}: got nothing, wants a"):
        read_config_dir(make_folder({missing: None}))


def test_a_missing_batch_size_names_both_ways(make_folder: MakeFolder) -> None:
    with pytest.raises(ConfigDirError, match=r"batch_size: got nothing, wants .*, or min_batch_size and max_"):
        read_config_dir(make_folder({"batch_size": None}))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"d_model": "abc"}, "d_model: got 'abc', wants a whole number of at least 1"),
        ({"d_model": "0"}, "d_model: got '0', wants a whole number of at least 1"),
        ({"d_model": "1.5"}, "d_model: got '1.5', wants a whole number of at least 1"),
        ({"d_model": "inf"}, "d_model: got 'inf', wants a whole number of at least 1"),
        ({"d_model": ""}, "d_model: got nothing, wants a whole number of at least 1"),
        ({"model_name": ""}, "model_name: got nothing, wants text"),
        ({"layer_weight_memory_gb": "-1"}, "layer_weight_memory_gb: got '-1', wants a number above 0"),
        ({"layer_weight_memory_gb": "nan"}, "layer_weight_memory_gb: got 'nan', wants a number above 0"),
        ({"min_memory_utilization": "50"}, "min_memory_utilization: got '50', wants a number from 0 to 1"),
        ({"enable_segment_quantization": "maybe"}, "got 'maybe', wants true or false"),
        ({"bytes_per_element": "3"}, "bytes_per_element: got '3', wants one of 1, 2, 4"),
        ({"min_batch_size": "1"}, "batch_size: got also min_batch_size, wants either batch_size or min_batch_size"),
        ({"batch_size": None, "min_batch_size": "1"}, "max_batch_size: got nothing, wants a whole number"),
        (
            {"batch_size": None, "min_batch_size": "9", "max_batch_size": "8"},
            "min_batch_size: got 9, wants at most max_batch_size, 8",
        ),
        (
            {"max_cost_per_token": "1e-7", "max_cost_per_million_token": "0.2"},
            "max_cost_per_million_token: got 0.2, wants the same price as max_cost_per_token, 0.1",
        ),
        ({"vocab_size": "many"}, "vocab_size: got 'many', wants a whole number of at least 1"),
    ],
)
def test_wrong_parameters_say_what_they_want(
    make_folder: MakeFolder, changes: dict[str, str | None], line: str
) -> None:
    with pytest.raises(ConfigDirError) as caught:
        read_config_dir(make_folder(changes))
    (fault,) = str(caught.value).splitlines()
    assert line in fault
    assert "config.csv" in fault


def test_faults_name_file_and_line(make_folder: MakeFolder) -> None:
    folder = make_folder({"d_model": "x"})
    with pytest.raises(ConfigDirError) as caught:
        read_config_dir(folder)
    assert str(caught.value).startswith(f"{folder / 'config.csv'}:6 d_model: ")
    assert caught.value.field == f"{folder / 'config.csv'}:6 d_model"


def test_a_parameter_given_twice(make_folder: MakeFolder) -> None:
    folder = make_folder()
    with (folder / "config.csv").open("a") as file:
        file.write("d_model,8192\n")
    with pytest.raises(ConfigDirError, match="d_model: got a second value, wants each parameter once"):
        read_config_dir(folder)


@pytest.mark.parametrize("config", ["", "\n\n", "name,content\nd_model,1\n", "parameter,value,parameter\n"])
def test_a_file_that_is_no_parameter_list(make_folder: MakeFolder, config: str) -> None:
    with pytest.raises(ConfigDirError, match=r"config\.csv"):
        read_config_dir(make_folder(config=config))


def test_a_value_with_commas_wants_quotes(make_folder: MakeFolder) -> None:
    with pytest.raises(ConfigDirError, match="quoted if it has commas"):
        read_config_dir(make_folder({"model_name": "llama,7b"}))


def test_an_unknown_override_is_a_fault(make_folder: MakeFolder) -> None:
    with pytest.raises(ConfigDirError, match=r"--set d_modle: got an unknown parameter, .* did you mean d_model\?"):
        read_config_dir(make_folder(), overrides={"d_modle": "1"})


def test_a_wrong_override_is_named_as_one(make_folder: MakeFolder) -> None:
    folder = make_folder()
    with pytest.raises(ConfigDirError, match="--set d_model: got 'x', wants a whole number"):
        read_config_dir(folder, overrides={"d_model": "x"})
    with pytest.raises(ConfigDirError, match=r"cost_throughput_weight: got '2\.0', wants a number from 0 to 1"):
        read_config_dir(folder, cost_weight=2.0)


def test_all_faults_of_all_files_are_told_at_once(make_folder: MakeFolder) -> None:
    folder = make_folder(
        {"d_model": "x", "sequence_length": None},
        pools="gpu_type,count,memory_gb\nA100,two,80\nT4,1,-3\n",
    )
    (folder / "network_bandwidth.csv").unlink()
    with pytest.raises(ConfigDirError) as caught:
        read_config_dir(folder, max_tensor_parallel={"B300": 2})
    assert len(caught.value.faults) == len(str(caught.value).splitlines()) == 4


def test_missing_files_and_folders(make_folder: MakeFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigDirError, match=r"nowhere: got no such folder, wants a folder with config\.csv"):
        read_config_dir(tmp_path / "nowhere")
    folder = make_folder()
    (folder / "config.csv").unlink()
    (folder / "network_bandwidth.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigDirError) as caught:
        read_config_dir(folder)
    first, second = str(caught.value).splitlines()
    assert first.endswith("config.csv: got no such file, wants a CSV file")
    assert second.endswith("network_bandwidth.csv: got byte 0 that is not UTF-8, wants a CSV file in UTF-8")


def test_a_folder_in_place_of_a_file(make_folder: MakeFolder) -> None:
    folder = make_folder()
    (folder / "config.csv").unlink()
    (folder / "config.csv").mkdir()
    with pytest.raises(ConfigDirError, match=r"config\.csv: got .*directory, wants a CSV file that can be read"):
        read_config_dir(folder)


def test_the_folder_may_be_given_relative_to_itself(make_folder: MakeFolder) -> None:
    folder = make_folder()
    assert read_config_dir(f"{folder}/../my-config/").request.name == "my-config"
