"""Scores as if three generators had been scored on four people by two oracles, made up without any image."""

import numpy as np
import pandas as pd

from kpop_rca.scoring.scores import MEASURES, Scores

PEOPLE = ["Ada", "=cmd()", "<b>Cleo</b>", "김 다현"]
TRUE = {"sdxl": 0.9, "gan": 0.6, "<script>alert(1)</script>": 0.25}
REASON = "3 pairs of different people's photographs are too few; 30,000 are needed"


def scores(
    *, gate: bool = True, agree: bool = True, oracles: tuple[str, ...] = ("dlib", "sface"), generators: int = 3
) -> Scores:
    rng = np.random.default_rng(0)
    rows = []
    for oracle in oracles:
        for name, true in list(TRUE.items())[:generators]:
            for person in ["", *PEOPLE]:
                rows += _of_one(oracle, name, person, true, rng)
    pairs = [(a, b) for number, a in enumerate(TRUE) for b in list(TRUE)[number + 1 : generators]]
    return Scores(
        people=list(PEOPLE),
        measures=pd.DataFrame(rows),
        oracles=pd.DataFrame(
            [
                {"oracle": name, "photographs": 48, "accuracy": 0.86, "low": 0.73, "high": 0.93, "licence": "CC0-1.0"}
                for name in oracles
            ]
        ),
        comparisons=pd.DataFrame([_pair(oracle, a, b) for oracle in oracles for a, b in pairs]),
        columns=pd.DataFrame(),
        fairness=pd.DataFrame(),
        agreement=pd.DataFrame(
            [
                {"generator": name, "p": 0.4, "low": 0.5, "high": 0.7, "agree": agree, "reason": ""}
                for name in list(TRUE)[:generators]
            ]
        ),
        gate=pd.DataFrame(
            [
                {"control": "real", "oracle": "dlib", "passed": True, "reason": ""},
                {
                    "control": "shuffled",
                    "oracle": "dlib",
                    "passed": gate,
                    "reason": "" if gate else "accuracy 0.9, chance 0.25",
                },
                {"control": "copies", "oracle": "dlib", "passed": None, "reason": "too few photographs"},
            ]
        ),
        notes=["2 images of Ada could not be read: gen/ada/1.jpg, <i>"],
        settings={"seed": 0},
    )


def _of_one(oracle, generator, person, true, rng):
    n = 20 if person else 80
    values = dict.fromkeys(MEASURES, min(1.0, true + 0.05 * rng.random()))
    values |= {"images": n, "failures": 1, "copy_rate": 0.0, "equal_error_rate": 0.08, "tar_at_far_0.001": None}
    spread = 0.2 if person else 0.08
    return [
        {
            "oracle": oracle,
            "generator": generator,
            "person": person,
            "measure": measure,
            "value": value,
            "low": max(0.0, value - spread) if value is not None and 0 < value < 1 else None,
            "high": min(1.0, value + spread) if value is not None and 0 < value < 1 else None,
            "reason": REASON if value is None else "",
        }
        for measure, value in values.items()
    ]


def _pair(oracle, a, b):
    gap = TRUE[a] - TRUE[b]
    found = {"oracle": oracle, "measure": "accuracy", "a": a, "b": b, "difference": gap, "low": gap - 0.1}
    return found | {"high": gap + 0.1, "p_holm": 0.001, "better": a, "verdict": f"{a} is better than {b}"}
