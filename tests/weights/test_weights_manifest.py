"""The weights' manifest: every wrong field, every path out of the folder and every kind of damage is refused."""

import shutil

import pytest
from stored_weights import BAD_METADATA, DFF, edit, part

from dffkit import weights
from dffkit.support.errors import DataError

BAD_FIELDS = {
    "format": ("format", 2),
    "format is true": ("format", True),
    "sha256": ("sha256", "0" * 64),
    "files is a list": ("files", []),
    "models is a list": ("models", []),
    "no models": ("models", {"": {}}),
    "another field": ("other", 1),
    "an entry is a text": (f"models {DFF}", "text"),
    "an entry is empty": (f"models {DFF}", {}),
    **{f"entry's {field}": (f"models {DFF} {field}", value) for field, (value, _) in BAD_METADATA.items()},
    "entry's scores": (f"models {DFF} scores mIoU", float("inf")),
    "entry's parameters": (f"models {DFF} parameters", 0),
    "entry's parameter count": (f"models {DFF} parameters", 1),
    "entry's recipe": (f"models {DFF} recipe width", 9),
    "entry's recipe option": (f"models {DFF} recipe depth", 9),
    "entry's recipe value": (f"models {DFF} recipe width", -1),
    "entry's files are none": (f"models {DFF} files", []),
    "entry's files are a text": (f"models {DFF} files", "task_network-000000000000.safetensors"),
    "entry's file is a number": (f"models {DFF} files", [7]),
    "entry's file is unlisted": (f"models {DFF} files", ["task_network-000000000000.safetensors"]),
    "a file of another name": ("files other.pt", {"sha256": "0" * 64, "bytes": 10}),
}


@pytest.mark.parametrize("case", BAD_FIELDS)
@pytest.mark.parametrize("rehash", [False, True])
def test_a_manifest_with_a_wrong_field_is_refused(folder, case, rehash):
    def change(manifest):
        place, value = BAD_FIELDS[case]
        *path, last = place.split(" ")
        for step in path:
            manifest = manifest[step]
        manifest[last] = value

    edit(folder, change, rehash and case != "sha256")
    with pytest.raises(DataError, match=r"manifest\.json: .*git checkout"):
        weights.load(folder=folder)


@pytest.mark.parametrize(
    "value", [{}, {"sha256": "0" * 64}, {"sha256": "0" * 64, "bytes": -1}, {"sha256": 1, "bytes": 1}]
)
def test_a_manifest_with_a_wrong_file_is_refused(folder, value):
    edit(folder, lambda m: m["files"].update({part(folder).name: value}))
    with pytest.raises(DataError, match=r"manifest\.json: file 'feature_network-"):
        weights.names(folder)


def test_a_score_changed_by_hand_is_noticed(folder):
    edit(folder, lambda m: m["models"][DFF]["scores"].update(mIoU=0.9), rehash=False)
    with pytest.raises(DataError, match="was changed by hand or damaged"):
        weights.names(folder)


@pytest.mark.parametrize("name", ["../{}", "{folder}/{}", "sub/{}", "..\\{}", "{}\n", "./{}", "C:{}", "~/{}"])
def test_a_file_outside_the_folder_is_never_read(folder, name):
    file = part(folder)
    outside = name.format(file.name, folder=folder.parent)
    (folder / "sub").mkdir()
    for place in (folder.parent, folder / "sub"):
        shutil.copy(file, place)

    def change(manifest):
        manifest["files"][outside] = manifest["files"][file.name]
        manifest["models"][DFF]["files"] = [outside if f == file.name else f for f in manifest["models"][DFF]["files"]]

    edit(folder, change)
    with pytest.raises(DataError, match=r"manifest\.json: files: expected a mapping with file names of this folder"):
        weights.load(folder=folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"\xff\xfe\x00", b"[" * 100_000, b'{"format": ' + b"9" * 5000 + b"}", b'{"a": NaN}'],
)
def test_what_is_no_manifest_is_refused(folder, content):
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json: .*git checkout"):
        weights.names(folder)


def test_a_deeply_nested_manifest_is_refused(folder):
    for depth in range(600, 1000, 3):  # some that the parser takes and what looks at the data then may not
        nested = "[" * depth + "]" * depth
        (folder / "manifest.json").write_text(f'{{"format": {nested}, "sha256": 0, "files": 0, "models": 0}}')
        with pytest.raises(DataError, match=r"manifest\.json"):
            weights.names(folder)
