"""precision.py: the choice of a precision, on processors and GPUs with units for bfloat16 and without."""

import contextlib
from pathlib import Path

import pytest
import torch

from dffkit.networks import precision
from dffkit.support import machine

AVX512 = "processor : 0\nmodel name : A Xeon\nflags : avx2 avx512f{more}\n\nprocessor : 1\nflags : amx_bf16\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd{more}\nCPU part\t: 0xd40\n"


def processor(monkeypatch, cpuinfo="", known=None, onednn=True):
    """Fake what the system and torch say of the processor; torch of older versions knows nothing."""
    monkeypatch.setattr(Path, "exists", lambda path: bool(cpuinfo))
    monkeypatch.setattr(Path, "read_text", lambda path, **options: cpuinfo)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known or {}, raising=False)
    if known is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities")
    monkeypatch.setattr(precision, "has_bf16_units", machine.has_bf16_units)


@pytest.mark.parametrize(
    ("cpuinfo", "known", "units"),
    [
        (AVX512.format(more=""), None, []),
        (AVX512.format(more=" avx512_bf16"), None, ["avx512_bf16"]),
        (AVX512.format(more=" avx512_bf16 amx_bf16 amx_tile"), None, ["amx_bf16", "avx512_bf16"]),
        (ARM.format(more=""), None, []),
        (ARM.format(more=" svebf16 i8mm bf16"), None, ["bf16"]),
        ("", None, []),
        ("", {"avx2": True, "avx512_bf16": False, "num_sockets": 1}, []),
        ("", {"avx512_bf16": True}, ["avx512_bf16"]),
        ("", {"neon": True, "bf16": True}, ["bf16"]),
    ],
)
def test_auto_is_bfloat16_on_a_processor_with_units_only(monkeypatch, capsys, cpuinfo, known, units):
    processor(monkeypatch, cpuinfo, known)
    assert machine.bf16_units() == units
    assert machine.device_name().endswith(f"({', '.join(units)})" if units else "(no bf16 units)")
    assert precision.resolve("auto", "cpu") == ("bfloat16" if units else "float32")
    assert precision.resolve("float32", "cpu") == "float32"
    assert not capsys.readouterr().err


def test_units_that_torch_has_no_code_for_do_not_count(monkeypatch):
    processor(monkeypatch, known={"bf16": True}, onednn=False)  # as on a Mac
    assert precision.resolve("auto", "cpu") == "float32"


def test_bfloat16_by_name_works_without_units_and_is_called_slow_once(monkeypatch, capsys):
    precision._say_slow.cache_clear()
    processor(monkeypatch, AVX512.format(more=""))
    assert [precision.resolve("bfloat16", "cpu") for _ in range(3)] == ["bfloat16"] * 3
    said = capsys.readouterr().err
    assert said.startswith("bfloat16 will be slow on A Xeon (no bf16 units): a training step and a frame took 2 ")
    assert len(said.splitlines()) == 1
    processor(monkeypatch, AVX512.format(more=" avx512_bf16"))
    assert precision.resolve("bfloat16", "cpu") == "bfloat16"
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("capability", "chosen"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")])
def test_a_gpu_is_asked_for_its_capability(monkeypatch, capability, chosen):
    asked = []

    def supported(including_emulation=True):
        return including_emulation or capability >= (8, 0)

    monkeypatch.setattr(precision, "has_bf16_units", machine.has_bf16_units)
    monkeypatch.setattr(torch.cuda, "device", lambda device: asked.append(str(device)) or contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert precision.resolve("auto", "cuda:1") == chosen
    assert asked == ["cuda:1"]


def test_on_other_devices_auto_is_float32(monkeypatch):
    monkeypatch.setattr(precision, "has_bf16_units", machine.has_bf16_units)
    assert precision.resolve("auto", "mps") == "float32"


def test_unknown_precisions_are_refused():
    with pytest.raises(ValueError, match=r"precision: expected one of \['auto', 'float32', 'bfloat16'\], got 'half'"):
        precision.resolve("half", "cpu")
