"""bootstrap.py: the scores of drawn data sets are those of the same data sets put together by hand."""

import math

import numpy as np
import pytest
import torch

from dffkit.scores import DetectionScores, Evaluation, SegmentationScores, SnippetScores
from dffkit.scores.bootstrap import replicates

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
