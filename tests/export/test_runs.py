"""Finished runs by their names."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipeline_src.cli import init
from pipeline_src.errors import UserError
from pipeline_src.export.runs import FinishedRun, find
from pipeline_src.params import changes


def digest(method: str = "baseline", seed: int = 0, **jobs: tuple[str, str]) -> str:
    """Of a run whose evaluation reads jobs of these fingerprints and contents, by role."""
    inputs = {
        role.replace("_", "/"): SimpleNamespace(fingerprint=fingerprint, content=content)
        for role, (fingerprint, content) in jobs.items()
    }
    experiment = SimpleNamespace(name="tiny", job=lambda name: SimpleNamespace(inputs=inputs))
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
    """A new project whose methods are called like folders, and the beginning of the text of its parameters."""
    for name in changes.VARIABLES.values():
        monkeypatch.setenv(name, "")
    monkeypatch.chdir(tmp_path)
    text = (init.TEMPLATE / "params.yaml").read_text()
    text = text.replace("  slp: {", "  train: {method: slp}\n  runs: {method: slp}\n  results: {method: slp}\n  slp: {")
    (tmp_path / "params.yaml").write_text(text.replace("[baseline, slp,", "[train, runs, results, baseline, slp,"))
    return tmp_path


def refused(run: str) -> str:
    """Why a run that was never trained is refused."""
    with pytest.raises(UserError) as error:
        find(run)
    return str(error.value)


@pytest.mark.parametrize("method", ["slp", "train", "runs", "results"])
@pytest.mark.parametrize("form", ["{}/seed0", "first/{}/seed0", "results/first/runs/{}/seed0"])
def test_a_run_is_found_by_its_name_and_its_folder(project, form, method):
    assert f"the run first/{method}/seed0 is not finished" in refused(form.format(method))


def test_the_fix_keeps_the_changes_of_the_command_line(project, monkeypatch):
    (project / "params.yaml").rename(project / "other.yaml")
    monkeypatch.setenv(changes.VARIABLES["params"], "other.yaml")
    monkeypatch.setenv(changes.SET, "training.epochs=3")
    fix = "fix:      snakemake --cores all --config experiment=first params=other.yaml set=training.epochs=3"
    assert fix in refused("first/slp/seed0")
