"""Fixtures of the Python tests; what they are made of stands in python/bv.py."""

import subprocess

import bv
import pytest

pytest_plugins = ["allowed_skips", "short_differences"]


@pytest.fixture(scope="session")
def model():
    """Folder of the real small BERT."""
    return bv.model_folder()


@pytest.fixture(scope="session", params=["own", "excerpts"])
def references(request):
    """Folder with squad/{train,dev}.json and what others made of them: of our own text, then of excerpts of SQuAD 2.0
    (skipped where BV_SHARED is absent)."""
    return bv.SOURCE / "tests" / "parity" / "references" if request.param == "own" else bv.shared_folder()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a random BERT with 2 layers, H = 32, and the real vocabulary."""
    return bv.write_model(tmp_path_factory.mktemp("tiny_model"))


@pytest.fixture
def mounted(tmp_path):
    """mounted(kind, size) makes a file system ("tmpfs" or "ext2") of so many MiB of its own and returns its folder."""
    places = []

    def mount(kind, size):
        place = tmp_path / kind
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", place]
        if kind == "ext2":
            image = tmp_path / "image"
            with open(image, "wb") as file:
                file.truncate(size << 20)
            made = subprocess.run(["mkfs.ext2", "-q", image], stderr=subprocess.PIPE, text=True, check=False)
            if made.returncode != 0:
                pytest.skip(f"no ext2 can be made: {made.stderr.strip()}")
            command = ["mount", "-t", "ext2", "-o", "loop", image, place]
        made = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if made.returncode != 0:
            pytest.skip(f"no right to mount a file system: {made.stderr.strip()}")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", place], check=True)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Folder with train.json (24 questions) and dev.json (12) of the generated corpus; some have several windows."""
    return bv.make_corpus(tmp_path_factory.mktemp("corpus"))
