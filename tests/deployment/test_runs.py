"""Finished runs by their names."""

from __future__ import annotations

from types import SimpleNamespace

from pipeline_src.deployment.runs import FinishedRun


def digest(method: str = "baseline", seed: int = 0, **jobs: tuple[str, str]) -> str:
    """Of a run whose evaluation reads jobs of these contracts and contents, by role."""
    inputs = {
        role.replace("_", "/"): SimpleNamespace(contract=contract, content=content)
        for role, (contract, content) in jobs.items()
    }
    experiment = SimpleNamespace(name="tiny", job=lambda name: SimpleNamespace(inputs=inputs))
    return FinishedRun(experiment, method, seed).digest


def test_a_runs_digest_is_of_all_that_its_maps_depend_on():
    """Of what was trained again, of the same contract, too: another machine gives other bits."""
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
