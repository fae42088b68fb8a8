"""Finished runs by their names."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
from project import ROOT

from pipeline_src.errors import UserError
from pipeline_src.export.runs import FinishedRun, find


def digest(method: str = "baseline", seed: int = 0, **jobs: tuple[str, str]) -> str:
    """Of a run whose evaluation reads jobs of these fingerprints and contents, by role."""
    inputs = {
        role.replace("_", "/"): SimpleNamespace(fingerprint=fingerprint, content_of=partial(str, content))
        for role, (fingerprint, content) in jobs.items()
    }
    experiment = SimpleNamespace(name="tiny", evaluation=lambda *run: SimpleNamespace(inputs=inputs))
    return FinishedRun(experiment, method, seed).digest


def test_a_digest_changes_with_everything_that_maps_depend_on():
    """Also with the content of a network of the same fingerprint: another machine gives other bits."""
    network, fit = ("a" * 16, "b" * 16), ("c" * 16, "d" * 16)
    run = digest(networks_0=network, fit=fit, store=("e", "f"))
    assert run == digest(networks_0=network, fit=fit, store=("g", "h"))
    others = [
        digest("aslp", networks_0=network, fit=fit),
        digest(seed=1, networks_0=network, fit=fit),
        digest(networks_0=network),
        *(digest(networks_0=of, fit=fit) for of in ((network[0], "0" * 16), ("0" * 16, network[1]))),
        *(digest(networks_0=network, fit=of) for of in ((fit[0], "0" * 16), ("0" * 16, fit[1]))),
    ]
    assert len({run, *others}) == 1 + len(others)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The project's parameters in a folder where nothing was run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())


@pytest.mark.parametrize("run", ["tiny/baseline/seed0", "results/tiny/runs/baseline/seed0"])
def test_a_run_is_found_by_its_name_and_its_folder(project, run):
    with pytest.raises(UserError) as error:
        find(run)
    assert "the run tiny/baseline/seed0 is not finished" in str(error.value)
    assert "fix:      snakemake --cores all --config experiment=tiny" in str(error.value)
