"""Fixtures of the Python tests; what they are made of stands in python/bv.py."""

import bv
import pytest


@pytest.fixture(scope="session")
def model():
    """Folder of the real small BERT."""
    return bv.model_folder()


@pytest.fixture(scope="session")
def shared():
    """Folder of the reference data; a test that needs it is skipped where it is absent."""
    return bv.shared_folder()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a random BERT with 2 layers, H = 32, and the real vocabulary."""
    return bv.write_model(tmp_path_factory.mktemp("tiny_model"))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Folder with train.json (24 questions) and dev.json (12) of the generated corpus; some have several windows."""
    return bv.make_corpus(tmp_path_factory.mktemp("corpus"))
