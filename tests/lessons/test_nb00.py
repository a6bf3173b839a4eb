"""Notebook 00: the set-up check and the glossary."""

from dffkit.lessons import nb00_index


def test_the_set_up_check_prints_yes_or_a_remedy(capsys, monkeypatch):
    nb00_index.setup_check()
    assert [line[:3] for line in capsys.readouterr().out.splitlines()] == ["yes"] * 4
    monkeypatch.setattr(nb00_index, "find_spec", lambda name: None)
    monkeypatch.setattr(nb00_index.sys, "version_info", (3, 9))
    monkeypatch.setattr(nb00_index, "_matching", lambda: False)
    monkeypatch.setattr(nb00_index, "warp", lambda features, flow: features + 1)
    nb00_index.setup_check()
    lines = capsys.readouterr().out.splitlines()
    assert [line[:3] for line in lines] == ["NO "] * 4
    assert all(": " in line for line in lines)


def test_a_torchvision_that_does_not_match_is_noticed(monkeypatch):
    def broken(*_args):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(nb00_index.torchvision.ops, "nms", broken)
    assert nb00_index._matching() is False


def test_the_glossary_has_the_papers_symbols_and_the_measures():
    words = nb00_index.glossary()
    symbols = ["k", "i", "l", "N_feat", "N_task", "F", "M(i→k)", "S(i→k)", "W", "r", "s"]
    assert words["symbol"].tolist() == symbols + [""] * len(nb00_index.WORDS)
    assert {"Frame", "R-FCN", "split point", "mIoU", "mAP@0.5", "EPE"} <= set(words["name"])
