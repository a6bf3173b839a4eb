"""The data sets that recipes name: where a run gets its snippets, and the version of the data.

A reader is imported when its data set is first used, as some readers need packages that not every command needs.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dffkit.datasets.public_copies import PUBLIC_COPIES
from dffkit.datasets.snippets import Snippet
from dffkit.support.errors import DataError
from dffkit.support.files import data_folder, fingerprint
from dffkit.training.recipe import Recipe

# Increase a version whenever the same recipe gets other frames or labels from its data set.
VERSIONS = {"camvid": 2, "pets09": 3, "cityscapes": 2, "imagenet_vid": 1, "flying_chairs": 1}
RENDERED = ("toytown", "handheld")  # worlds that the kit renders, in rendered.py
TOYTOWN_DURATIONS = {"segmentation": 10, "detection": 20}  # of both
LONGEST = 10  # key frame duration that one's own data is scored at
# Shorter side of the frames that N_feat sees, and limit of the longer, in pixels. The paper (Sec. 5) also names half of
# each shorter side, 512 and 300: F halves its input itself. Frames of Cityscapes have this size and stay as they are.
SIDES = {"cityscapes": (1024, 2048), "imagenet_vid": (600, 1000)}
REAL_SIZE = (360, 480)  # (H, W) of CamVid's frames, and of the frames that PETS09's option "scale" enlarges
CAMVID_VARIANTS = {"train": 64, "val": 2}  # views and motions of each still
# Random windows of PETS09 are enlarged by up to this factor more or less than the frames that are scored. Nobody comes
# near the still camera until frame 400: at 1.25 people near it in the test split were taller than all people in
# training, and were not found.
PETS09_SPREAD = 1.6
# The authors' lists, in the folder ImageSets of their repository.
VID_LISTS = {"vid": "VID_train_15frames.txt", "det": "DET_train_30classes.txt", "val": "VID_val_videos.txt"}


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set as runs use it.

    Attributes:
        snippets: (recipe, split, count, folder, progress) -> snippets, perhaps more than `count`; see the function
            `snippets`.
        counts: split -> number of snippets that are scored, None for all.
        data_version: (recipe, split) -> hexadecimal digits that change with the frames or targets; None if the number
            in `VERSIONS` stands for them.
        durations: task -> longest key frame duration that is scored; empty if it depends on the snippets.
        names: task -> names of the classes.
        scored_side: recipe -> shorter side in pixels of the frames that are scored; None if frames are not scaled.
    """

    snippets: Callable[[Recipe, str, int | None, Path | None, bool], Sequence[Any]]
    counts: Mapping[str, int | None]
    data_version: Callable[[Recipe, str], str] | None = None
    durations: Mapping[str, int] = dataclasses.field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    scored_side: Callable[[Recipe], int] | None = None


def snippets(
    recipe: Recipe, split: str, count: int | None = None, folder: Path | None = None, progress: bool = False
) -> Sequence[Any]:
    """Return a split of the recipe's data set, with the targets that its heads need.

    Job "flow" gets pairs with exact flow instead, and an empty sequence for sprites, which the job renders itself.

    Args:
        recipe: names the data set and the task.
        split: "train", or another split of the data set.
        count: number of snippets; None for the recipe's own number.
        folder: where snippets are rendered to, on all cores; None renders them again whenever they are used.
        progress: show a bar while rendering.

    Raises:
        ValueError: if there is no data set of this name.
        DataError: if its files are missing or damaged.
    """
    found = find(recipe).snippets(recipe, split, count, folder, progress)
    return found if count is None or len(found) <= count else [found[i] for i in range(count)]


def data_version(recipe: Recipe, split: str = "train") -> str:
    """Return hexadecimal digits that change when the frames or targets of the recipe's data change."""
    if version := find(recipe).data_version:
        return version(recipe, split)
    return fingerprint({"data": recipe.data, "version": VERSIONS[recipe.data]})


def counts(recipe: Recipe) -> Mapping[str, int | None]:
    """Return the splits that can be scored, with the number of snippets of each, None for all."""
    return find(recipe).counts


def longest_duration(recipe: Recipe, scored: Sequence[Snippet]) -> int:
    """Return the longest key frame duration to score: of one's own data up to 10, if some frame has that history."""
    if durations := find(recipe).durations:
        return durations[recipe.task]
    return min(LONGEST, 1 + max((max(snippet.targets, default=0) for snippet in scored), default=0))


def scored_side(recipe: Recipe) -> int | None:
    """Return the shorter side in pixels of the frames that are scored; None if frames are scored as they are."""
    # Frames of one's own data are scored as they are, so its module is not imported.
    side = find(recipe).scored_side if ":" not in recipe.data else None
    return side(recipe) if side else None


def names(recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the classes: label map value i is `names[i]`, a box's label i is `names[i - 1]`.

    Empty for pre-training recipes, which recognize nothing by themselves.
    """
    return () if recipe.pretraining else find(recipe).names[recipe.task]


def find(recipe: Recipe) -> Source:
    """Return the recipe's data set.

    Raises:
        ValueError: if there is no data set of this name.
        DataError: if one's own data set ("module:function") can't be imported.
    """
    if ":" in recipe.data:
        from dffkit.experiments import own_data

        return own_data.source(recipe.data)
    if recipe.data not in SOURCES:
        raise ValueError(f'data: expected one of {list(SOURCES)}, or "module:function", got {recipe.data!r}')
    return SOURCES[recipe.data](recipe)


def real_folder(name: str) -> Path:
    """Return the folder of a real data set.

    Raises:
        DataError: if there is no such folder; the message says how to get it.
    """
    folder = data_folder() / name
    if not folder.is_dir():
        command = f"get it with:  python -m dffkit fetch {name}" if name in PUBLIC_COPIES else "put the data set there"
        raise DataError(f"{folder}: no such folder; {command}\nIf it lies elsewhere, set DFFKIT_DATA (data/README.md)")
    return folder


def _rendered(recipe: Recipe) -> Source:
    from dffkit.experiments import rendered

    return rendered.source(recipe)


def _camvid(_: Recipe) -> Source:
    """CamVid: training and validation on stills that a random camera moves over, test on its one clip."""
    from dffkit.datasets import camvid
    from dffkit.datasets.moving_stills import MovingStills

    def snippets(recipe: Recipe, split: str, *_: Any) -> Sequence[Snippet]:
        found = camvid.snippets(real_folder("camvid"), split)
        if split == "test":
            return found
        options = {"length": recipe.length, "seed": VERSIONS["camvid"], "size": recipe.size}
        return MovingStills(found, variants=CAMVID_VARIANTS[split], **options)

    return Source(
        snippets, {"val": None, "test": None}, durations={"segmentation": 10},
        names={"segmentation": camvid.CLASSES}, scored_side=lambda recipe: min(REAL_SIZE),
    )  # fmt: skip


def _pets09(_: Recipe) -> Source:
    """PETS09-S2L1: frames 1-400 of one video for training, 401-500 for validation, 501-600 for test.

    People are about as wide as one cell of the feature map, so frames are enlarged by the data option "scale". Training
    uses random windows of the enlarged frames; the data option "windows" is their number.
    """
    from dffkit.datasets import mot
    from dffkit.datasets.resized import Crops

    def scale_of(recipe: Recipe) -> float:
        return dict(recipe.data_options).get("scale", 1.0)

    def snippets(recipe: Recipe, split: str, *_: Any) -> Sequence[Snippet]:
        scale, video = scale_of(recipe), real_folder("pets09")
        if split != "train":
            return mot.pets09_snippets(video, split, size=tuple(round(side * scale) for side in REAL_SIZE))
        found = mot.pets09_snippets(video, split)
        scale *= REAL_SIZE[1] / found[0].frames[0].shape[2]  # the original video has larger frames
        scales = scale / PETS09_SPREAD, scale * PETS09_SPREAD
        windows = dict(recipe.data_options).get("windows", 100)
        return Crops(found, count=windows, size=recipe.size, scales=scales, seed=VERSIONS["pets09"])

    return Source(
        snippets, {"val": None, "test": None}, durations={"detection": 10}, names={"detection": mot.CLASSES},
        scored_side=lambda recipe: round(min(REAL_SIZE) * scale_of(recipe)),
    )  # fmt: skip


def _cityscapes(_: Recipe) -> Source:
    """Cityscapes as in the paper: shorter side 1024, one labelled frame in each snippet of 30 (Sec. 5)."""
    from dffkit.datasets import cityscapes
    from dffkit.datasets.resized import resized, short_side

    def snippets(recipe: Recipe, split: str, *_: Any) -> Sequence[Snippet]:
        found = cityscapes.snippets(real_folder("cityscapes"), split)
        return [resized(snippet, short_side(*SIDES["cityscapes"])) for snippet in found]

    # The labels of the test split are not public.
    return Source(
        snippets, {"val": None}, durations={"segmentation": 10},
        names={"segmentation": cityscapes.CLASSES}, scored_side=lambda recipe: SIDES["cityscapes"][0],
    )  # fmt: skip


def _imagenet_vid(_: Recipe) -> Source:
    """ImageNet VID and DET as in the paper: shorter side 600, at most 1000, two samples of VID to one of DET (Sec. 5).

    Frames differ in size, so one process trains on one frame at a time: the paper's batch of 8 takes eight processes.
    """
    from dffkit.datasets import imagenet_vid
    from dffkit.datasets.resized import resized, short_side
    from dffkit.training.pairs import Mixture

    def snippets(recipe: Recipe, split: str, *_: Any) -> Sequence[Snippet]:
        root, fit = real_folder("ILSVRC2015"), short_side(*SIDES["imagenet_vid"])
        lists = {name: root / "ImageSets" / file for name, file in VID_LISTS.items()}
        if split == "train":
            videos = imagenet_vid.snippets(root, "train", frames=lists["vid"])
            shares = (videos, 2), (imagenet_vid.stills(root, lists["det"]), 1)
            return Mixture([([resized(each, fit) for each in found], share) for found, share in shares])
        return [resized(each, fit) for each in imagenet_vid.snippets(root, split, videos=lists["val"])]

    # The labels of the test split are not public.
    return Source(
        snippets, {"val": None}, durations={"detection": 20},
        names={"detection": imagenet_vid.CLASSES}, scored_side=lambda recipe: SIDES["imagenet_vid"][0],
    )  # fmt: skip


def _flying_chairs(_: Recipe) -> Source:
    """FlyingChairs, on which the paper's FlowNet was pre-trained (Sec. 4.2): pairs with exact flow, official split."""
    from dffkit.datasets.flying_chairs import FlyingChairs

    return Source(lambda recipe, split, *_: FlyingChairs(real_folder("flying_chairs"), split), {"val": None})


SOURCES: Mapping[str, Callable[[Recipe], Source]] = {
    **dict.fromkeys(RENDERED, _rendered), "camvid": _camvid, "pets09": _pets09,
    "cityscapes": _cityscapes, "imagenet_vid": _imagenet_vid, "flying_chairs": _flying_chairs,
}  # fmt: skip
