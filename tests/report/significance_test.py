"""tools/report/significance.py: intervals, p values and corrections against closed forms, scipy and simulation."""

import resource
from dataclasses import replace

import made_records  # noqa: F401  finds tools/report
import numpy as np
import pytest
from page_parts import Column, cell_text
from scipy import stats
from significance import Bootstrap, benjamini_hochberg, bootstrap, corrected_pairs, corrected_together, holm, smallest_difference, verdict


def ones(right):
    return np.asarray(right, np.float64), np.ones(len(right))


def test_the_spread_of_resamples_is_that_of_the_closed_form():
    random = np.random.default_rng(1)
    right = random.random((2, 400)) < [[0.6], [0.7]]
    found = bootstrap([{"1": ones(right[0])}, {"1": ones(right[1])}], np.arange(400))
    assert found.scores == pytest.approx(100 * right.mean(axis=1))
    assert found.draws.std(axis=1) == pytest.approx(100 * right.std(axis=1) / 20, rel=0.03)
    paired = right[1].astype(float) - right[0]
    assert (found.draws[1] - found.draws[0]).std() == pytest.approx(100 * paired.std() / 20, rel=0.03)


def test_clusters_are_drawn_whole():
    """Ten questions of a paragraph that are right or wrong together are worth one."""
    alone = np.random.default_rng(2).random(150) < 0.5
    together = bootstrap([{"1": ones(np.repeat(alone, 10))}], np.repeat(np.arange(150), 10))
    assert together.draws.std() == pytest.approx(100 * alone.std() / np.sqrt(150), rel=0.03)


def test_intervals_and_p_values_are_those_of_scipy():
    random = np.random.default_rng(3)
    first, second = random.normal(0.5, 0.2, (2, 300))
    found = bootstrap([{"1": ones(first)}, {"1": ones(second)}], np.arange(300))
    peer = stats.bootstrap((first, second), lambda a, b, axis: (a - b).mean(axis=axis), paired=True, n_resamples=10_000,
                           method="percentile", rng=np.random.default_rng(4))
    difference = found.difference(0, 1)
    width = difference.high - difference.low
    assert difference.low == pytest.approx(100 * peer.confidence_interval.low, abs=0.04 * width)
    assert difference.high == pytest.approx(100 * peer.confidence_interval.high, abs=0.04 * width)
    assert difference.p == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.03)


def test_intervals_cover_the_truth_as_often_as_they_say():
    """400 sets of 80 paragraphs of 1 to 6 questions; the systems' true difference is 6 points."""
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        clusters = np.repeat(np.arange(80), random.integers(1, 7, 80))
        hard = random.normal(0, 0.15, 80)[clusters] + random.normal(0, 0.2, len(clusters))
        first, second = (np.clip(base + hard + random.normal(0, 0.2, len(clusters)), -9, 9) for base in (0.56, 0.5))
        found = bootstrap([{"1": ones(first)}, {"1": ones(second)}], clusters, resamples=400).difference(0, 1)
        covered += found.low <= 6 <= found.high
    assert 0.90 <= covered / 400 <= 0.98


def test_seeds_are_resampled_too_without_shrinking_their_spread():
    """Questions that all agree: only the seeds vary, and the standard error of their mean comes out."""
    scores = np.array([0.40, 0.46, 0.52])
    system = {str(seed): ones(np.full(50, score)) for seed, score in enumerate(scores)}
    found = bootstrap([system, {"0": system["0"]}], np.arange(50))
    assert found.scores == pytest.approx([46, 40])
    assert found.draws[0].std() == pytest.approx(100 * scores.std(ddof=1) / np.sqrt(3), rel=0.03)
    assert found.draws[1].std() == pytest.approx(0)


def test_seeds_are_paired_between_systems():
    """Every seed moves both systems alike: their difference is sure."""
    systems = [{str(seed): ones(np.full(50, score + extra)) for seed, score in enumerate((0.4, 0.5, 0.6))} for extra in (0, 0.1)]
    difference = bootstrap(systems, np.arange(50)).difference(1, 0)
    assert (difference.low, difference.high) == pytest.approx((10, 10))
    assert difference.verdict == "better"


def test_a_ratio_is_resampled_as_a_ratio():
    """The F1 of a class, 2 TP / (2 TP + FP + FN): numerators and denominators are drawn together."""
    random = np.random.default_rng(6)
    said, true = random.random((2, 500)) < 0.4
    found = bootstrap([{"1": (2.0 * (said & true), said + true.astype(float))}], np.arange(500))
    both, f1 = (said & true).sum(), []
    assert found.scores[0] == pytest.approx(100 * 2 * both / (said.sum() + true.sum()))
    for _ in range(2000):
        drawn = random.integers(0, 500, 500)
        f1.append(200 * (said & true)[drawn].sum() / (said[drawn].sum() + true[drawn].sum()))
    assert found.draws.std() == pytest.approx(np.std(f1), rel=0.06)
    none = bootstrap([{"1": (np.zeros(5), np.zeros(5))}], np.arange(5))
    assert none.scores[0] == 0 and not none.draws.any()


def test_equal_systems_are_not_distinguishable():
    right = np.random.default_rng(7).random(100) < 0.5
    found = bootstrap([{"1": ones(right)}] * 2, np.arange(100), resamples=200)
    difference = found.difference(0, 1)
    assert (difference.value, difference.low, difference.high, difference.p) == (0, 0, 0, 1)
    assert difference.verdict == "not distinguishable"
    assert found.pairwise_p().tolist() == [[1, 1], [1, 1]]


def test_a_difference_that_no_resample_contradicts_has_a_p_value_of_its_size():
    draws = np.stack([np.zeros(10_000), np.random.default_rng(8).normal(8, 1, 10_000)])
    found = Bootstrap(np.array([0.0, 8.0]), draws, clusters=100)
    assert 1e-17 < found.difference(1, 0).p < 1e-13  # 2 sf(8) = 1.2e-15
    assert found.difference(0, 1).verdict == "worse" and found.difference(1, 0).verdict == "better"
    assert found.pairwise_p()[0, 1] == found.difference(1, 0).p


def test_differences_are_corrected_together():
    random = np.random.default_rng(13)
    right = random.random(600) < 0.5
    better = right | (random.random(600) < 0.06)  # by about 3 points
    same = [np.where(random.random(600) < 0.05, ~right, right) for _ in range(10)]
    found = bootstrap([{"1": ones(own)} for own in (right, better, *same)], np.arange(600), resamples=2000)
    together = corrected_together([found.difference(system, 0) for system in range(1, 12)])
    alone = [found.difference(system, 0) for system in range(1, 12)]
    assert [one.corrected for one in together] == holm([one.p for one in alone]).tolist()
    assert all((one.value, one.low, one.high) == (other.value, other.low, other.high) for one, other in zip(together, alone))
    assert together[0].verdict == together[0].sure_verdict == "better"
    assert [one.sure_verdict for one in together[1:]] == ["not distinguishable"] * 10
    zoo, upper = corrected_pairs(found.pairwise_p()), np.triu_indices(12, 1)
    assert (zoo == zoo.T).all() and (np.diag(zoo) == 1).all()
    assert zoo[upper] == pytest.approx(stats.false_discovery_control(found.pairwise_p()[upper]))


def test_a_verdict_alone_may_not_survive_the_correction():
    clusters = np.arange(20)
    difference = replace(bootstrap([{"1": ones(clusters >= 0)}, {"1": ones(clusters < 0)}], clusters).difference(0, 1), corrected=0.2)
    assert (difference.verdict, difference.sure_verdict) == ("better", "not distinguishable")


@pytest.mark.parametrize("paragraphs", [1, 2, 19])
def test_too_few_paragraphs_tell_nothing(paragraphs):
    """Each resample of one paragraph is the same, so that its interval is a point."""
    clusters = np.arange(400) % paragraphs
    found = bootstrap([{"1": ones(clusters >= 0)}, {"1": ones(np.arange(400) % 7 > 0)}], clusters, resamples=200)
    one = found.difference(0, 1)
    assert one.value > 10 and (one.verdict, one.sure_verdict, one.p, one.corrected) == ("not distinguishable",) * 2 + (1, 1)
    assert found.pairwise_p().tolist() == [[1, 1], [1, 1]]


def test_words_follow_the_interval():
    assert verdict(1.2, (0.1, 2.3)) == "better"
    assert verdict(-1.2, (-2.3, -0.1)) == "worse"
    assert verdict(1.2, (-0.1, 2.3)) == "not distinguishable"
    assert verdict(1.2, (0.0, 2.3)) == "not distinguishable"


def test_the_smallest_difference_is_found_with_the_power_stated():
    """Differences that large are called better in 80 % of data sets."""
    smallest = smallest_difference(np.random.default_rng(9).normal(0, 0.5, 100_000))
    assert smallest == pytest.approx(0.5 * (1.959964 + 0.841621), rel=0.01)
    found = np.random.default_rng(10).normal(smallest, 0.5, 100_000) - 1.96 * 0.5 > 0
    assert found.mean() == pytest.approx(0.8, abs=0.01)


def test_corrections_for_many_comparisons():
    p = np.array([0.04, 0.01, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.06, 0.03, 0.06, 0.02])  # by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, at least as large
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    many = np.random.default_rng(11).random(400) ** 3
    assert benjamini_hochberg(many) == pytest.approx(stats.false_discovery_control(many))
    assert (holm(many) >= benjamini_hochberg(many)).all() and holm(many).max() <= 1
    assert holm([]).shape == benjamini_hochberg([]).shape == (0,)


def test_the_whole_zoo_takes_seconds():
    """11,873 questions in 1,204 paragraphs x 90 systems, every comparison: 10 s on two cores, counted in the process's own time
    because other tests may have the cores. It takes a tenth."""
    random = np.random.default_rng(12)
    systems = [{"1": ones(random.random(11_873) < 0.7)} for _ in range(90)]
    clusters = random.integers(0, 1204, 11_873)
    before = resource.getrusage(resource.RUSAGE_SELF)
    found = bootstrap(systems, clusters)
    differences = corrected_together([found.difference(index, 0) for index in range(1, 90)])
    zoo = corrected_pairs(found.pairwise_p())
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 20
    assert zoo.shape == (90, 90) and all(one.low < one.value < one.high for one in differences)


def test_a_small_p_value_is_not_read_as_zero():
    column = Column("p (Holm)", 3, least=0.001)
    assert [cell_text(p, column) for p in (0.0, 0.0004, 0.001, 0.25)] == ["< 0.001", "< 0.001", "0.001", "0.250"]


def test_a_difference_of_zero_has_no_sign():
    assert [cell_text(value, Column("difference", 1, signed=True)) for value in (-0.04, 0.0, 0.04)] == ["0.0"] * 3
    assert [cell_text(value, Column("difference", 1, signed=True)) for value in (-0.06, 0.06)] == ["−0.1", "+0.1"]
    assert cell_text(-1.5, Column("threshold", 2)) == "−1.50"
