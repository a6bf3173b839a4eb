"""differences.py: replicates are the scores of sets put together by hand; intervals of known differences; verdicts."""

import math

import numpy as np
import pytest
import torch

from dffkit.scores import DetectionScores, Evaluation, SegmentationScores, SnippetScores
from dffkit.scores.differences import Difference, SampledScore, below, difference, replicates, within

CLASSES, SNIPPETS, OFFSETS = 3, 6, 4


def label_maps(generator, right):
    """The scores of a frame of which a share is predicted right."""
    target = torch.randint(0, CLASSES, (12, 16), generator=generator, dtype=torch.uint8)
    guess = torch.randint(0, CLASSES, (12, 16), generator=generator, dtype=torch.uint8)
    sure = torch.rand(12, 16, generator=generator) < right
    return SegmentationScores.of(torch.where(sure, target, guess), target, num_classes=CLASSES)


def boxes(generator, right):
    """The same for boxes; some frames have none of a class, and some scores are equal."""
    corner = 40 * torch.rand(5, 2, generator=generator)
    labels = torch.randint(1, CLASSES + 1, (5,), generator=generator)
    target = {"boxes": torch.cat([corner, corner + 10], 1), "labels": labels}
    shift = torch.where(torch.rand(5, 1, generator=generator) < right, 1.0, 30.0)
    scores = torch.randint(1, 10, (5,), generator=generator) / 10
    prediction = {"boxes": target["boxes"] + shift, "labels": labels, "scores": scores}
    return DetectionScores.of(prediction, target, num_classes=CLASSES)


def made(score, right=0.6):
    """An evaluation of random predictions, worse with the offset and different from street to street."""
    snippets = []
    for i in range(SNIPPETS):
        generator = torch.Generator().manual_seed(i)
        offsets = tuple(score(generator, right - 0.1 * d - 0.05 * i) for d in range(OFFSETS))
        snippets.append(SnippetScores(f"street {i}", 1, offsets))
    return Evaluation(tuple(snippets))


def chosen(evaluation, numbers):
    """The evaluation of some snippets; a snippet may come several times."""
    return Evaluation(tuple(evaluation.snippets[number] for number in numbers))


@pytest.mark.parametrize(("score", "metric"), [(label_maps, "mIoU"), (boxes, "mAP")])
def test_a_draw_is_the_score_of_the_snippets_drawn(score, metric):
    evaluation = made(score)
    found = replicates(evaluation, draws=20, seed=7)
    times = np.random.default_rng(7).multinomial(SNIPPETS, [1 / SNIPPETS] * SNIPPETS, size=20)
    drawn = [chosen(evaluation, [i for i in range(SNIPPETS) for _ in range(draw[i])]) for draw in times]
    expected = [[each.score(metric, duration=duration) for each in drawn] for duration in range(1, OFFSETS + 1)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-12, rtol=0)


def moving_boxes(generator, right):
    """Scores of boxes with motion, some of it unknown, and of as many false alarms in a frame without boxes."""
    corner = 40 * torch.rand(5, 2, generator=generator)
    target = {"boxes": torch.cat([corner, corner + 10], 1), "labels": torch.tensor([1, 2, 3, 1, 2])}
    shift = torch.where(torch.rand(5, 1, generator=generator) < right, 1.0, 30.0)
    scores = torch.rand(5, generator=generator)
    prediction = {"boxes": target["boxes"] + shift, "labels": target["labels"], "scores": scores}
    motion = torch.rand(5, generator=generator) * 0.5 + 0.5
    motion[4] = torch.nan if right < 0.3 else motion[4]
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)}
    alarms = {**prediction, "scores": torch.rand(5, generator=generator)}
    shown = DetectionScores.of(prediction, target, motion, num_classes=CLASSES)
    return DetectionScores.merge([shown, DetectionScores.of(alarms, nothing, torch.zeros(0), num_classes=CLASSES)])


@pytest.mark.parametrize("subset", ["all", "slow", "medium", "fast"])
def test_a_draw_of_a_motion_class_is_its_score_of_the_snippets_drawn(subset):
    evaluation = made(moving_boxes)
    found = replicates(evaluation, draws=20, seed=7, subset=subset)[0]
    times = np.random.default_rng(7).multinomial(SNIPPETS, [1 / SNIPPETS] * SNIPPETS, size=20)
    drawn = [chosen(evaluation, [i for i in range(SNIPPETS) for _ in range(draw[i])]) for draw in times]
    expected = torch.tensor([each.score("mAP", subset, duration=1) for each in drawn], dtype=torch.float64)
    assert len(set(expected.tolist())) > 10
    # `DetectionScores.values` has its weights of false alarms in float32.
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=0, equal_nan=True)


def test_draws_spread_as_the_mean_of_as_many_streets_does():
    evaluation = made(label_maps)
    single = torch.tensor([chosen(evaluation, [i]).score("mIoU", duration=1) for i in range(SNIPPETS)])
    spread = float(replicates(evaluation, draws=2000)[0].std())
    assert spread == pytest.approx(float(single.std(correction=0)) / math.sqrt(SNIPPETS), rel=0.25)


def test_two_models_get_the_same_draws():
    good, bad = (replicates(made(boxes, right))[1] for right in (0.8, 0.5))
    assert good.shape == (500,)
    assert (good - bad).std() < (good - bad[torch.randperm(500)]).std()
    assert torch.equal(good, replicates(made(boxes, 0.8))[1])
    assert not torch.equal(good, replicates(made(boxes, 0.8), seed=1)[1])


def scores(mean, spread, shared, seed):
    """Return a score with replicates; `shared` is the effect of the drawn streets on every method."""
    return SampledScore(mean, mean + shared + spread * np.random.default_rng(seed).standard_normal(shared.shape))


@pytest.fixture
def streets():
    return 0.05 * np.random.default_rng(0).standard_normal(500)


def test_the_effect_of_the_streets_on_both_cancels(streets):
    found = difference({0: scores(0.72, 0.002, streets, 1)}, {0: scores(0.71, 0.002, streets, 2)})
    assert found.mean == pytest.approx(0.01, abs=1e-9)
    assert found.low == pytest.approx(0.01 - 1.96 * 0.002 * 2**0.5, abs=1e-3)
    assert found.high == pytest.approx(0.01 + 1.96 * 0.002 * 2**0.5, abs=1e-3)
    assert found.probability > 0.99
    assert found.verdict == "better"


def test_seeds_that_disagree_widen_the_interval(streets):
    second = {seed: scores(0.7, 0.001, streets, seed) for seed in range(3)}
    agree = {seed: scores(0.71, 0.001, streets, 10 + seed) for seed in range(3)}
    disagree = {seed: scores(mean, 0.001, streets, 10 + seed) for seed, mean in enumerate((0.69, 0.71, 0.73))}
    sure, unsure = difference(agree, second), difference(disagree, second)
    assert sure.seeds == unsure.seeds == 3
    assert sure.mean == pytest.approx(unsure.mean, abs=1e-3)
    assert unsure.high - unsure.low > 4 * (sure.high - sure.low)
    assert sure.verdict == "better"
    assert unsure.verdict == "not resolved"


def test_exchanged_methods_have_the_opposite_difference(streets):
    one, other = {0: scores(0.72, 0.005, streets, 1)}, {0: scores(0.70, 0.005, streets, 2)}
    forth, back = difference(one, other), difference(other, one)
    np.testing.assert_allclose(back[:4], (-forth.mean, -forth.high, -forth.low, 1 - forth.probability), atol=1e-12)
    assert back.verdict == "worse"


def test_a_method_against_itself_is_not_resolved(streets):
    same = {0: scores(0.7, 0.01, streets, 1)}
    assert difference(same, same) == Difference(0, 0, 0, 0.5, 1)
    assert difference(same, same).verdict == "not resolved"


def test_seeds_are_compared_with_their_own_partners(streets):
    one = {seed: scores(0.6 + 0.1 * seed, 0.001, streets, seed) for seed in range(3)}
    other = {seed: SampledScore(value - 0.01, drawn - 0.01) for seed, (value, drawn) in one.items()}
    assert difference(one, other).low == pytest.approx(0.01)
    alone = difference(one, {2: other[2], 7: other[0]})
    assert alone.seeds == 1
    assert alone.mean == pytest.approx(0.01)


def test_scores_that_cannot_be_compared_are_named(streets):
    with pytest.raises(ValueError, match=r"seeds: expected some in common, got \[0\] and \[1, 2\]"):
        difference({0: SampledScore(0, streets)}, {1: SampledScore(0, streets), 2: SampledScore(0, streets)})
    with pytest.raises(ValueError, match=r"replicates: expected as many in each, got \[10, 500\]"):
        difference({0: SampledScore(0, streets)}, {0: SampledScore(0, streets[:10])})


@pytest.mark.parametrize(
    ("low", "high", "under", "between"),
    [
        (-0.01, 0.01, "holds", "holds"),
        (-0.03, 0.01, "holds", "not resolved"),
        (0.01, 0.03, "not resolved", "not resolved"),
        (0.021, 0.03, "does not hold", "does not hold"),
        (-0.03, -0.021, "holds", "does not hold"),
    ],
)
def test_limits_have_three_verdicts(low, high, under, between):
    found = Difference((low + high) / 2, low, high, 0.5, 3)
    assert below(found, 0.02) == under
    assert within(found, 0.02) == between


def test_seeds_widen_the_interval_as_students_t_does(streets):
    same = 0 * streets
    one = {seed: SampledScore(value, value + same) for seed, value in enumerate((0.70, 0.71, 0.72))}
    found = difference(one, {seed: SampledScore(0.70, 0.70 + same) for seed in range(3)}, draws=50000)
    assert found.high - found.mean == pytest.approx(4.303 * 0.01 / 3**0.5, rel=0.05)
