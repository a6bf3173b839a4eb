"""Notebook 07: a clip of the reader's own, failure cases, a data set in files; the exercises' checks."""

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from dffkit import DeepFeatureFlow, FeatureNetwork, FixedInterval, ScoreMaps, flownet_inception, recognize
from dffkit.datasets import streams, toytown
from dffkit.datasets.images import read_labels
from dffkit.datasets.toytown import Film
from dffkit.lessons import clip_pictures, nb07_your_video
from dffkit.support.errors import CommandError, DataError


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    features = FeatureNetwork(14, width=1 / 16)
    flow = flownet_inception(width=1 / 16, scale_channels=features.channels)
    task = ScoreMaps(in_channels=features.channels, num_classes=len(toytown.LABELS))
    return DeepFeatureFlow(features, flow, task).eval()


@pytest.fixture(scope="module")
def clip():
    return [torch.randint(0, 256, (3, 48, 80), dtype=torch.uint8) for _ in range(4)]


def test_without_a_source_the_clip_is_a_rendered_video_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr(nb07_your_video, "own_folder", lambda: tmp_path)
    found = nb07_your_video.clip(count=3)
    assert [tuple(frame.shape) for frame in found] == [(3, 192, 384)] * 3
    close = (found[2].float() - Film("val", nb07_your_video.STREET).frame(2).float()).abs().mean()
    assert close < 5  # the file is compressed
    path = nb07_your_video.example_video()
    assert streams.frames(path).count == nb07_your_video.LENGTH
    made = path.stat().st_mtime_ns
    nb07_your_video.example_video()
    assert path.stat().st_mtime_ns == made


def test_a_rendered_video_that_is_interrupted_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(nb07_your_video, "own_folder", lambda: tmp_path)
    monkeypatch.setattr(nb07_your_video, "LENGTH", 3)

    class Interrupted(Film):
        def frame(self, index):
            if index == 2:
                raise KeyboardInterrupt
            return super().frame(index)

    monkeypatch.setattr(nb07_your_video, "Film", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        nb07_your_video.example_video()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    monkeypatch.setattr(nb07_your_video, "Film", Film)
    with pytest.raises(DataError, match=rf"street-{nb07_your_video.STREET}\.mp4: expected at least 4 frames, got 3"):
        nb07_your_video.clip(count=4, least=4)


def test_a_clip_of_ones_own_is_scaled(tmp_path, clip):
    for index, frame in enumerate(clip):
        Image.fromarray(frame.permute(1, 2, 0).numpy()).save(tmp_path / f"{index}.png")
    found = nb07_your_video.clip(tmp_path, count=3, short_side=24)
    assert [tuple(frame.shape) for frame in found] == [(3, 24, 40)] * 3
    assert len(nb07_your_video.clip(tmp_path, short_side=24, least=4)) == 4
    with pytest.raises(DataError, match=rf"{tmp_path}: expected at least 20 frames, got 4; take a longer clip"):
        nb07_your_video.clip(tmp_path)


def test_a_cut_shows_another_street_at_the_same_size(clip):
    joined = nb07_your_video.with_cut(clip, after=3)
    assert [tuple(frame.shape) for frame in joined] == [(3, 48, 80)] * 6
    assert all(torch.equal(one, other) for one, other in zip(joined, clip[:3], strict=False))


def test_the_text_of_results_names_the_key_frames(model, clip):
    found = list(recognize(model, clip, FixedInterval(2)))
    picture = nb07_your_video.result_grid(clip, {"every second": found}, [1, 2, 3], toytown.LABELS)
    assert "every second has key frames 2." in picture.alt


def test_agreement_is_the_share_of_equal_pixels(model, clip):
    found = list(recognize(model, clip, FixedInterval(2)))
    other = [one._replace(output=one.output.clone()) for one in found]
    other[1].output[:12] += 1
    assert nb07_your_video.agreement(found, other) == pytest.approx([100, 75, 100, 100])
    assert "l = 2: at worst 75%, at frame 1." in nb07_your_video.agreement_curves({"l = 2": [100.0, 75.0]}, cut=1).alt


def test_propagation_without_motion_changes_nothing(model, clip):
    parts = nb07_your_video.propagation_parts(model, clip[0], clip[0])
    torch.testing.assert_close(parts["key"], parts["own"])
    assert parts["scale"].mean() == 1  # untrained
    still = parts["flow"].norm(dim=0) < 1e-3
    assert F.cosine_similarity(parts["key"], parts["own"], dim=0).min() > 0.999
    assert still.shape == (3, 5)
    assert "the similarity of all" in nb07_your_video.propagation_picture(model, clip[0], clip[1]).alt


def test_new_pixels_are_counted_apart_from_the_others(model):
    films = [Film("val", 0)]
    table = clip_pictures.accuracy_by_gap(films, model, gaps=(1, 4))
    new = films[0].flow(4, 0)[1]
    assert table.new.tolist()[1] == pytest.approx(100 * float(new.double().mean()))
    assert table.new.is_monotonic_increasing
    own = clip_pictures.recognize_frame(model, films[0], 4, 4) == films[0].labels(4)
    parts = table.iloc[1]
    whole = (1 - parts.new / 100) * parts["seen, own"] + parts.new / 100 * parts["new, own"]
    assert whole == pytest.approx(100 * float(own.double().mean()))
    assert "Key frame 0; frame 4" in clip_pictures.new_region_errors(films[0], model, 4, 0).alt


def test_a_key_frame_s_features_are_computed_once_for_all_gaps(model):
    films, seen = [Film("val", number) for number in range(2)], []
    hook = model.feature_network.register_forward_hook(lambda *_: seen.append(1))
    table = clip_pictures.accuracy_by_gap(films, model, gaps=(0, 2, 4))
    hook.remove()
    assert len(seen) == len(films) * (1 + 3)  # the key frame, and each later frame's own
    for parts in table.itertuples(index=False):
        gap, new = parts.gap, torch.stack([film.flow(parts.gap, 0)[1] for film in films])
        found = [clip_pictures.recognize_frame(model, film, gap, 0) for film in films]
        right = torch.stack([labels == film.labels(gap) for film, labels in zip(films, found, strict=True)])
        assert parts[2] == 100 * float(right[~new].double().mean())
        assert gap == 0 or parts[3] == 100 * float(right[new].double().mean())


def test_the_example_has_clips_of_which_the_last_frame_is_labelled(tmp_path, monkeypatch):
    monkeypatch.setattr(nb07_your_video, "own_folder", lambda: tmp_path)
    monkeypatch.setattr(nb07_your_video, "CLIPS", {"train": (0,), "val": (4,)})
    folder = nb07_your_video.example_folder()
    clips = folder / "clips"
    assert sorted(path.name for path in clips.glob("*/*")) == ["street0", "street4"]
    names = sorted(path.name for path in (clips / "val" / "street4").iterdir())
    assert names == [*(f"{i:04}.jpg" for i in range(nb07_your_video.FRAMES)), f"{nb07_your_video.FRAMES - 1:04}.png"]
    labels = read_labels(clips / "val" / "street4" / names[-1])
    assert (labels == Film("val", 4).labels(nb07_your_video.STEP * (nb07_your_video.FRAMES - 1))).all()


def test_commands_run_in_the_folder_and_failures_hold_their_output(tmp_path):
    assert "toytown/segmentation/dff" in nb07_your_video.run_command(tmp_path, "train")
    with pytest.raises(CommandError, match=r"train nothing: .*no 'nothing'"):
        nb07_your_video.run_command(tmp_path, "train nothing")
