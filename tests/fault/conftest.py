"""A store of some ninety blocks, to be disturbed while it is written or damaged afterwards."""

import bv
import pytest
from made_store import arrays


@pytest.fixture(scope="module")
def features(corpus, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "train.h5"
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--max-tokens", 96, "--stride", 24, "--output", path)
    return path


@pytest.fixture(scope="module")
def flags(request, tiny_model, features):
    """Flags of an extraction of some ninety blocks."""
    dtype = getattr(request, "param", "float16")
    return ["--checkpoint", tiny_model, "--features", features, "--task", "span", "--block-mib", 0.02 if dtype == "float16" else 0.011,
            "--dtype", dtype, "--device", "cpu", "--precision", "float32", "--threads", 1]


@pytest.fixture(scope="module")
def undisturbed(flags, tmp_path_factory):
    """The store of an extraction that nothing disturbed, as arrays."""
    path = tmp_path_factory.mktemp("undisturbed") / "store.h5"
    bv.run("bv_extract", *flags, "--store", path, ranks=2)
    return arrays(path)


@pytest.fixture
def whole(flags, undisturbed, tmp_path):
    """A complete store to damage."""
    path = tmp_path / "store.h5"
    bv.run("bv_extract", *flags, "--store", path, ranks=2)
    return path
