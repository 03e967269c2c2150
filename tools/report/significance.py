"""How sure differences of scores are: a paired bootstrap over questions, clustered by paragraph, of all systems at once.

A resample draws as many paragraphs as there are, with replacement, and takes all questions of each; all systems are scored on
the same draw, so that differences are paired (Efron and Tibshirani 1993, ch. 6 and 16; clusters: Field and Welsh 2007).

Several seeds: a system's score is the mean over its seeds, and a resample draws seeds too, the same for all systems: T - 1 of T
with replacement, which makes the variance of a mean of few seeds come out right (Rao and Wu 1988). Drawing both paragraphs and
seeds errs, if at all, towards too wide intervals (Owen 2007). With one seed the intervals tell nothing of other seeds.

Intervals are percentiles of the resampled scores. All scores and differences are in percent.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri  # the normal distribution's; scipy.stats takes a second to import

RESAMPLES = 10_000
SEED = 2020
LEVEL = 0.95
POWER = 0.8
CHUNK = 500  # resamples at a time, to bound memory
FEWEST = 20  # paragraphs: the resamples of fewer differ less than new paragraphs would (bv_eval --compare has the same limit)
RESOLVED = 10  # resamples beyond 0 from which on their share tells a p value

BETTER, WORSE, SAME = "better", "worse", "not distinguishable"


@dataclass(frozen=True)
class Difference:
    """A system's score minus another's, in points of percent."""

    value: float
    low: float  # of the interval of level LEVEL
    high: float
    p: float  # two-sided, of no difference; not corrected for the number of comparisons
    smallest: float  # the smallest difference that these questions would show; see `smallest_difference`
    corrected: float  # p, corrected for all the comparisons that were made together
    few: bool = False  # the questions are of fewer than FEWEST paragraphs: they tell no p, and 1 stands for it in corrections

    @property
    def verdict(self):
        """The verdict of this comparison alone."""
        return SAME if self.few else verdict(self.value, (self.low, self.high))

    @property
    def sure_verdict(self):
        """The verdict if it also holds after the correction for all comparisons; else SAME."""
        return self.verdict if self.corrected < 1 - LEVEL else SAME


def verdict(difference, interval):
    """ "better" or "worse" where the whole interval (low, high) lies on that side of 0, else "not distinguishable"."""
    low, high = interval
    if low > 0 or high < 0:
        return BETTER if difference > 0 else WORSE
    return SAME


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Scores of S systems on the same questions, in percent."""

    scores: np.ndarray  # (S) of the questions as they are
    draws: np.ndarray  # (S, R) of the resampled questions
    clusters: int  # the number of paragraphs

    @property
    def few(self):
        """Whether the paragraphs are too few to tell a difference from noise."""
        return self.clusters < FEWEST

    def interval(self, system, level=LEVEL):
        """(low, high): the interval of a system's score."""
        return _interval(self.draws[system], level)

    def difference(self, system, other, level=LEVEL):
        """The Difference of two systems, its p value not corrected."""
        value = float(self.scores[system] - self.scores[other])
        draws = self.draws[system] - self.draws[other]
        low, high = _interval(draws, level)
        p = 1.0 if self.few else float(_p_values(draws[None], np.array([value]))[0])
        return Difference(value, low, high, p, smallest_difference(draws), p, self.few)

    def pairwise_p(self):
        """(S, S): the two-sided p value of each pair's difference; 1 on the diagonal."""
        p = np.ones((len(self.scores),) * 2)
        for system in range(1, 0 if self.few else len(self.scores)):
            others = slice(0, system)
            values = self.scores[system] - self.scores[others]
            p[system, others] = p[others, system] = _p_values(self.draws[system] - self.draws[others], values)
        return p


def corrected_together(differences):
    """Each Difference, corrected together by Holm: for "beats BERT", where the others are BERT at the systems' checkpoints."""
    return [replace(one, corrected=float(p)) for one, p in zip(differences, holm([one.p for one in differences]), strict=True)]


def corrected_pairs(p):
    """(S, S): the p values of all pairs, corrected together by Benjamini and Hochberg; 1 on the diagonal."""
    corrected, upper = np.ones_like(p), np.triu_indices(len(p), 1)
    corrected[upper] = benjamini_hochberg(p[upper])
    return np.minimum(corrected, corrected.T)


def bootstrap(systems, clusters, resamples=RESAMPLES, seed=SEED):
    """The Bootstrap of systems on Q questions.

    `systems` (S): for each a dictionary from seed (any name) to a pair of arrays (Q), numerators and denominators: its score is
    the ratio of their sums (QuestionRecords.f1_parts; for EM: correct() and ones). Where a seed has several results, of H heads,
    the arrays are (H, Q): the score is the mean over all results, and a seed is drawn with all of its own. `clusters` (Q): the
    paragraph of each question, as whole numbers. A resample without any of a system's seeds takes the mean over all of them; one
    whose denominators are all 0 counts as 0."""
    seeds = sorted({name for system in systems for name in system}, key=str)
    _, places = np.unique(clusters, return_inverse=True)
    count = int(places.max()) + 1
    rows = [
        (index, seeds.index(name), pair)
        for index, system in enumerate(systems)
        for name, parts in system.items()
        for pair in zip(*map(np.atleast_2d, parts), strict=True)
    ]
    sums = np.array([np.bincount(places, part, count) for _, _, pair in rows for part in pair])  # (2 rows, C)
    generator = np.random.default_rng(seed)
    draws = np.empty((len(systems), resamples))
    of_system = np.array([index for index, _, _ in rows])
    of_seed = np.array([place for _, place, _ in rows])
    for begin in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - begin)
        drawn = _ratios(sums @ _counts(generator, count, size).T.astype(np.float64))
        weights = _seed_weights(generator, len(seeds), size)
        draws[:, begin : begin + size] = _means(drawn, of_system, len(systems), weights[:, of_seed].T)
    whole = _ratios(sums.sum(axis=1, keepdims=True))
    scores = _means(whole, of_system, len(systems), np.ones((len(rows), 1)))
    return Bootstrap(100 * scores[:, 0], 100 * draws, count)


def _ratios(sums):
    numerators, denominators = sums[0::2], sums[1::2]
    return np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators != 0)


def _counts(generator, count, size):
    """(size, count): how often each cluster is drawn. The same distribution as multinomial(), ten times as fast."""
    drawn = generator.integers(0, count, (size, count))
    return np.bincount((drawn + count * np.arange(size)[:, None]).ravel(), minlength=size * count).reshape(size, count)


def _seed_weights(generator, count, size):
    """(size, count): how often each seed is drawn."""
    if count == 1:
        return np.ones((size, 1))
    return generator.multinomial(count - 1, np.full(count, 1 / count), size=size).astype(np.float64)


def _means(values, of_system, systems, weights):
    """(S, n): the weighted mean of each system's rows; the plain one where all its weights are 0."""
    means = np.empty((systems, values.shape[1]))
    for system in range(systems):
        own = of_system == system
        weight = weights[own]
        total = weight.sum(axis=0)
        weight = np.where(total > 0, weight, 1.0)
        means[system] = (values[own] * weight).sum(axis=0) / weight.sum(axis=0)
    return means


def _interval(draws, level):
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _p_values(draws, values):
    """(n), from draws (n, R) of differences `values` (n): twice the share of resamples on the other side of 0. If fewer than
    RESOLVED lie there, p is the tail of a normal distribution with the draws' spread: corrections for hundreds of
    comparisons need smaller p values than resamples can tell."""
    beyond = np.minimum((draws <= 0).sum(axis=1), (draws >= 0).sum(axis=1))
    shares = np.minimum(1.0, 2 * (beyond + 1) / (draws.shape[1] + 1))
    spread = draws.std(axis=1)
    tails = np.where(spread > 0, 2 * ndtr(-np.abs(values) / np.where(spread > 0, spread, 1)), 1.0)
    return np.where(beyond < RESOLVED, np.minimum(shares, tails), shares)


def smallest_difference(draws, level=LEVEL, power=POWER):
    """The smallest true difference of two systems that such questions would show, as an interval of this level without 0, with
    this probability (the minimum detectable effect, Bloom 1995): 2.8 standard errors. `draws` (R): resampled differences."""
    return float((ndtri((1 + level) / 2) + ndtri(power)) * np.std(draws))


def holm(p):
    """(n): p values corrected by Holm (1979), in the order given: below 0.05 they hold all together with 95 %."""
    return _in_order(p, lambda ordered: np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1)))


def benjamini_hochberg(p):
    """(n): p values corrected by Benjamini and Hochberg (1995): of all results below 0.05, at most 5 % are expected to be wrong."""
    return _in_order(p, lambda ordered: np.minimum.accumulate(
        (ordered * len(ordered) / np.arange(1, len(ordered) + 1))[::-1])[::-1])


def _in_order(p, correct):
    p = np.asarray(p, np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, correct(p[order]))
    return corrected
