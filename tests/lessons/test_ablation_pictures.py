"""ablation_pictures.py: each row's result is its own, Frame's from the frame itself."""

import pytest

from dffkit.datasets.toytown import FPS, WORLDS, Film
from dffkit.lessons.ablation_live import compose
from dffkit.lessons.ablation_pictures import one_frame
from dffkit.lessons.clip_pictures import recognise, verdict


@pytest.mark.parametrize(("task", "unit"), [("segmentation", "Pixels right"), ("detection", "Objects found")])
def test_a_frame_under_the_results_of_rows(task, unit):
    film = Film("val", 4, FPS[task], WORLDS[task])
    models = {row: compose(task, row) for row in ("Frame", "DFF", "copy", "DFF separate")}
    picture = one_frame(film, models, 15, 10)
    target = film.labels(15) if task == "segmentation" else film.boxes(15)
    found = {
        row: verdict(recognise(models[row], film.frame(15), film.frame(k), same=same), target)
        for row, k, same in (("Frame", 15, True), ("DFF", 10, False), ("copy", 10, False))
    }
    assert f"{unit}: Frame {found['Frame']}, DFF {found['DFF']}, copy {found['copy']}, DFF separate" in picture.alt
    assert "features of key frame 10" in picture.alt
