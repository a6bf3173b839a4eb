"""your_video.py and breaking.py: any clip in, pictures of what happens out; and where the truth is known, numbers."""

import pytest
import torch
from PIL import Image

from dffkit import DeepFeatureFlow, FeatureNetwork, FixedInterval, ScoreMaps, flownet_inception, recognize
from dffkit.datasets import streams, toytown
from dffkit.datasets.toytown import Film
from dffkit.lessons import breaking, your_video
from dffkit.support.errors import DataError


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
    monkeypatch.setattr(your_video, "root", lambda: tmp_path)
    found = your_video.clip(count=3)
    assert [tuple(frame.shape) for frame in found] == [(3, 192, 384)] * 3
    close = (found[2].float() - Film("val", your_video.STREET).frame(2).float()).abs().mean()
    assert close < 5  # the file is compressed
    path = your_video.example_video()
    assert streams.frames(path).count == your_video.LENGTH
    made = path.stat().st_mtime_ns
    your_video.example_video()
    assert path.stat().st_mtime_ns == made


def test_a_rendered_video_that_is_interrupted_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(your_video, "root", lambda: tmp_path)
    monkeypatch.setattr(your_video, "LENGTH", 3)

    class Interrupted(Film):
        def frame(self, index):
            if index == 2:
                raise KeyboardInterrupt
            return super().frame(index)

    monkeypatch.setattr(your_video, "Film", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        your_video.example_video()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    monkeypatch.setattr(your_video, "Film", Film)
    with pytest.raises(DataError, match=rf"street-{your_video.STREET}\.mp4: expected at least 4 frames, got 3"):
        your_video.clip(count=4, least=4)


def test_a_clip_of_ones_own_is_scaled(tmp_path, clip):
    for index, frame in enumerate(clip):
        Image.fromarray(frame.permute(1, 2, 0).numpy()).save(tmp_path / f"{index}.png")
    found = your_video.clip(tmp_path, count=3, short_side=24)
    assert [tuple(frame.shape) for frame in found] == [(3, 24, 40)] * 3
    assert len(your_video.clip(tmp_path, short_side=24, least=4)) == 4
    with pytest.raises(DataError, match=rf"{tmp_path}: expected at least 20 frames, got 4; take a longer clip"):
        your_video.clip(tmp_path)


def test_a_cut_shows_another_street_at_the_same_size(clip):
    joined = your_video.with_cut(clip, after=3)
    assert [tuple(frame.shape) for frame in joined] == [(3, 48, 80)] * 6
    assert all(torch.equal(one, other) for one, other in zip(joined, clip[:3], strict=False))


def test_results_say_where_their_key_frames_are(model, clip):
    found = list(recognize(model, clip, FixedInterval(2)))
    picture = your_video.results(clip, {"every second": found}, [1, 2, 3], toytown.LABELS)
    assert "every second has key frames 2." in picture.alt


def test_agreement_is_the_share_of_equal_pixels(model, clip):
    found = list(recognize(model, clip, FixedInterval(2)))
    other = [one._replace(output=one.output.clone()) for one in found]
    other[1].output[:12] += 1
    assert your_video.agreement(found, other) == pytest.approx([100, 75, 100, 100])
    assert "l = 2: at worst 75%, at frame 1." in your_video.over_time({"l = 2": [100.0, 75.0]}, cut=1).alt


def test_what_is_carried_without_motion_is_the_same(model, clip):
    parts = your_video.carried(model, clip[0], clip[0])
    torch.testing.assert_close(parts["key"], parts["own"])
    assert parts["scale"].mean() == 1  # untrained
    still = parts["flow"].norm(dim=0) < 1e-3
    assert your_video.likeness(parts["key"], parts["own"]).min() > 0.999
    assert still.shape == (3, 5)
    assert "how alike" in your_video.inside(model, clip[0], clip[1]).alt


def test_new_pixels_are_told_apart_from_seen_ones(model):
    films = [Film("val", 0)]
    table = breaking.seen_and_new(films, model, gaps=(1, 4))
    new = breaking.new_in_view(films[0], 4, 0)
    assert table.new.tolist()[1] == pytest.approx(100 * float(new.double().mean()))
    assert table.new.is_monotonic_increasing
    own = breaking.recognise(model, films[0].frame(4), films[0].frame(4), same=True) == films[0].labels(4)
    parts = table.iloc[1]
    whole = (1 - parts.new / 100) * parts["seen, own"] + parts.new / 100 * parts["new, own"]
    assert whole == pytest.approx(100 * float(own.double().mean()))
    assert "Key frame 0; frame 4" in breaking.around_the_new(films[0], model, 4, 0).alt


def test_a_key_frame_s_features_are_computed_once_for_all_gaps(model):
    films, seen = [Film("val", number) for number in range(2)], []
    hook = model.feature_network.register_forward_hook(lambda *_: seen.append(1))
    table = breaking.seen_and_new(films, model, gaps=(0, 2, 4))
    hook.remove()
    assert len(seen) == len(films) * (1 + 3)  # the key frame, and each later frame's own
    for parts in table.itertuples(index=False):
        gap, new = parts.gap, torch.stack([breaking.new_in_view(film, parts.gap, 0) for film in films])
        found = [breaking.recognise(model, film.frame(gap), film.frame(0), same=gap == 0) for film in films]
        right = torch.stack([labels == film.labels(gap) for film, labels in zip(films, found, strict=True)])
        assert parts[2] == 100 * float(right[~new].double().mean())
        assert gap == 0 or parts[3] == 100 * float(right[new].double().mean())
