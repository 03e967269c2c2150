"""Numbers of things in sentences."""

import made_records  # noqa: F401  finds tools/report
import numpy as np
import pytest
from counted import counted


@pytest.mark.parametrize("number, words", [(1, "1 seed"), (2, "2 seeds"), (1092, "1,092 seeds"), (np.int64(1), "1 seed"),
                                           (np.int32(1092), "1,092 seeds"), ("1", "1 seed"), ("0.3", "0.3 seeds")])
def test_a_number_of_things_has_its_noun(number, words):
    assert counted(number, "seed") == words
