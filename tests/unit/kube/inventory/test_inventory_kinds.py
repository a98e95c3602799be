"""How a Node tells its GPU kind: labels of drivers and clouds, instance types, memory as a second opinion."""

import pytest

from tests.support.fleet_nodes import L40S, gpu_node, gpu_pool, left_out, message, observe, reasons

INSTANCE = "node.kubernetes.io/instance-type"
ACCELERATOR = {
    "name": "GH200",
    "memoryGiB": 95.0,
    "memoryBandwidthGBps": 4000,
    "tflops16Bit": 989,
    "computeCapability": "9.0",
}
LINKS = {"intraNodeGBps": 300, "interNodeGBps": 40}


@pytest.mark.parametrize(
    ("labels", "gpu"),
    [
        ({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.memory": "81920"}, "A100"),
        ({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB", "nvidia.com/gpu.memory": "40960"}, "A100-40GB"),
        ({"nvidia.com/gpu.product": "NVIDIA-H200", "nvidia.com/gpu.memory": "143771"}, "H200"),
        ({"nvidia.com/gpu.product": "NVIDIA-B200", "nvidia.com/gpu.memory": "183359"}, "B200"),
        ({"nvidia.com/gpu.product": "Tesla-T4", "nvidia.com/gpu.memory": "15360"}, "T4"),
        ({"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}, "L4"),
        ({"nvidia.com/gpu.product": "NVIDIA-A10G", "nvidia.com/gpu.memory": "23028"}, "A10G"),
        ({"nvidia.com/gpu.product": "NVIDIA-H100-NVL", "nvidia.com/gpu.memory": "95830"}, "H100-NVL"),
        ({"nvidia.com/gpu.product": "Tesla-V100-SXM2-16GB", "nvidia.com/gpu.memory": "16384"}, "V100-16GB"),
        ({"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM", "amd.com/gpu.vram": "192G"}, "MI300X"),
        ({"beta.amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"}, "MI300X"),
        ({"cloud.google.com/gke-accelerator": "nvidia-h100-mega-80gb"}, "H100"),
        ({"cloud.google.com/gke-accelerator": "nvidia-tesla-a100"}, "A100-40GB"),
        ({"karpenter.k8s.aws/instance-gpu-name": "l40s"}, "L40S"),
        ({"eks.amazonaws.com/instance-gpu-name": "h200"}, "H200"),
        (
            {"karpenter.k8s.aws/instance-gpu-name": "a100", "karpenter.k8s.aws/instance-gpu-memory": "40960"},
            "A100-40GB",
        ),
        ({"karpenter.k8s.aws/instance-gpu-name": "a100", "karpenter.k8s.aws/instance-gpu-memory": "81920"}, "A100"),
        ({"karpenter.k8s.aws/instance-gpu-name": "a100", INSTANCE: "p4d.24xlarge"}, "A100-40GB"),
        ({"kubernetes.azure.com/accelerator": "nvidia", INSTANCE: "Standard_NC24ads_A100_v4"}, "A100-PCIe"),
        ({INSTANCE: "p5.48xlarge"}, "H100"),
        # What the driver says wins over what the cloud says.
        ({"nvidia.com/gpu.product": "NVIDIA-L40S", INSTANCE: "g6.48xlarge"}, "L40S"),
    ],
)
def test_labels_that_name_the_gpu(labels: dict[str, str], gpu: str) -> None:
    found = observe(gpu_pool(), [gpu_node("n1", labels)])
    assert found.pool is not None
    assert found.pool.gpu.name == gpu
    assert found.capacity == 8


def test_amd_gpus_are_counted_by_their_own_resource() -> None:
    labels = {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"}
    found = observe(gpu_pool(), [gpu_node("n1", labels, allocatable={"amd.com/gpu": "8"})])
    assert found.capacity == 8


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"nvidia.com/gpu.product": "Quadro-P400"}, "the catalog does not hold product Quadro-P400"),
        # The cloud's label does not overrule a product that nobody knows.
        (
            {"nvidia.com/gpu.product": "NVIDIA-H100-Next", INSTANCE: "p5.48xlarge"},
            "the catalog does not hold product NVIDIA-H100-Next",
        ),
        (
            {"cloud.google.com/gke-accelerator": "nvidia-tesla-p100"},
            "the catalog does not hold cloud.google.com/gke-accelerator=nvidia-tesla-p100",
        ),
        (
            {"karpenter.k8s.aws/instance-gpu-name": "a100"},
            "karpenter.k8s.aws/instance-gpu-name=a100 may be A100 or A100-40GB, and no label tells the memory",
        ),
        ({"kubernetes.azure.com/accelerator": "nvidia"}, "no label names it; give spec.gpu"),
        (
            {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.memory": "40960"},
            "NVIDIA-A100-SXM4-80GB means A100 with 80 GB, and the memory label says 40.0 GiB",
        ),
        (
            {INSTANCE: "p4d.24xlarge", "nvidia.com/gpu.memory": "81920"},
            "p4d.24xlarge means A100-40GB with 40 GB, and the memory label says 80.0 GiB",
        ),
    ],
)
def test_an_unknown_gpu_is_named_and_never_guessed(labels: dict[str, str], told: str) -> None:
    found = observe(gpu_pool(), [gpu_node("good"), gpu_node("bad", labels)])
    assert left_out(found) == {"bad": f"UnknownGPU: {told}"}
    assert message(found, "UnknownGPU") == f"{told} (bad)"
    assert reasons(found) == ["NodesFound", "UnknownGPU"]

    alone = observe(gpu_pool(), [gpu_node("bad", labels)])
    assert alone.pool is None
    assert reasons(alone)[0] == "UnknownGPU"


def test_nodes_of_one_unknown_product_are_named_together() -> None:
    labels = {"nvidia.com/gpu.product": "Quadro-P400"}
    found = observe(gpu_pool(), [gpu_node(f"n{index}", labels) for index in range(8)])
    assert message(found, "UnknownGPU") == (
        "the catalog does not hold product Quadro-P400 (n0, n1, n2, n3, n4 and 3 more)"
    )


def test_without_any_label_the_spec_says_what_the_gpus_are() -> None:
    found = observe(gpu_pool(gpu="L40S"), [gpu_node("n1", {})])
    assert found.node_names == ("n1",)
    assert observe(gpu_pool(gpu="L40S"), [gpu_node("n1", {"nvidia.com/gpu.product": "Quadro-P400"})]).node_names == ()


def test_a_memory_label_that_cannot_be_read_says_nothing() -> None:
    labels = {**L40S, "nvidia.com/gpu.memory": "lots"}
    assert observe(gpu_pool(), [gpu_node("n1", labels)]).node_names == ("n1",)


def test_an_accelerator_of_the_spec_is_what_unknown_products_are() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-GH200-480GB", "nvidia.com/gpu.memory": "97871"}
    pool = gpu_pool(accelerator=ACCELERATOR, interconnect=LINKS)
    found = observe(pool, [gpu_node("a", labels, gpus=1), gpu_node("b"), gpu_node("c", {}, gpus=1)])
    assert found.pool is not None
    assert (found.pool.gpu.name, found.node_names) == ("GH200", ("a", "c"))
    assert (found.pool.intra_node_gbps, found.pool.inter_node_gbps) == (300, 40)
    assert left_out(found) == {"b": "OtherGPU: L40S, the pool is for GH200"}


def test_an_accelerator_of_another_memory_size_is_another_gpu() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-GH200-144G-HBM3e", "nvidia.com/gpu.memory": "147456"}
    pool = gpu_pool(accelerator=ACCELERATOR, interconnect=LINKS)
    found = observe(pool, [gpu_node("a", labels)])
    assert left_out(found) == {"a": "OtherGPU: 144.0 GiB of memory, spec.accelerator has 95"}


def test_two_unknown_products_are_not_one_accelerator() -> None:
    pool = gpu_pool(accelerator=ACCELERATOR, interconnect=LINKS)
    nodes = [gpu_node(name, {"nvidia.com/gpu.product": f"NVIDIA-{name}"}) for name in ("X1", "X2")]
    found = observe(pool, nodes)
    assert found.pool is None
    assert reasons(found)[0] == "MixedGPUs"


# ------------------------------------------------------------------------------------------------------ links


def test_links_come_from_the_catalog_when_nothing_else_is_known() -> None:
    found = observe(gpu_pool(), [gpu_node("n1")])
    assert found.pool is not None
    assert (found.pool.intra_node_gbps, found.pool.inter_node_gbps) == (20, 12.5)
    assert found.pool.gpu.all_reduce_gbps == 20


def test_the_slowest_instance_type_sets_the_rate_between_nodes() -> None:
    nodes = [
        gpu_node("a", {**L40S, INSTANCE: "g6e.48xlarge"}),
        gpu_node("b", {**L40S, INSTANCE: "g6e.12xlarge"}, gpus=4),
    ]
    found = observe(gpu_pool(), nodes)
    assert found.pool is not None
    assert found.pool.inter_node_gbps == pytest.approx(100 / 8 / 4)
    assert found.pool.intra_node_gbps == 20


def test_a_slower_form_of_the_card_slows_the_node_and_the_catalogs_figure_yields() -> None:
    found = observe(gpu_pool(), [gpu_node("a", {"nvidia.com/gpu.product": "NVIDIA-A100-PCIE-40GB"})])
    assert found.pool is not None
    assert (found.pool.gpu.name, found.pool.intra_node_gbps, found.pool.gpu.all_reduce_gbps) == ("A100-40GB", 23.8, 0)


def test_what_the_spec_says_of_links_wins() -> None:
    nodes = [gpu_node("a", {**L40S, INSTANCE: "g6e.48xlarge"})]
    found = observe(gpu_pool(interconnect={"intraNodeGBps": 50, "interNodeGBps": 25}), nodes)
    assert found.pool is not None
    assert (found.pool.intra_node_gbps, found.pool.inter_node_gbps, found.pool.gpu.all_reduce_gbps) == (50, 25, 0)

    half = observe(gpu_pool(interconnect={"interNodeGBps": 25}), nodes)
    assert half.pool is not None
    assert (half.pool.intra_node_gbps, half.pool.inter_node_gbps, half.pool.gpu.all_reduce_gbps) == (20, 25, 20)


def test_the_largest_tensor_parallel_degree_is_the_specs() -> None:
    found = observe(gpu_pool(maxTensorParallel=4), [gpu_node("a")])
    assert found.pool is not None
    assert found.pool.max_tensor_parallel == 4
