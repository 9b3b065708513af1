"""From images to scores: each step is a module of its own, and this one calls them in their order."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kpop_rca.errors import StudyError
from kpop_rca.oracles import agreement
from kpop_rca.oracles.embeddings import EMBEDDINGS, open_embedding
from kpop_rca.scoring import by_column, comparison, gate, inputs, shards, similarity
from kpop_rca.scoring import found as faces
from kpop_rca.scoring.cross_fitting import CrossFitted, cross_fit
from kpop_rca.scoring.estimates import Estimates, estimate
from kpop_rca.scoring.own_resnet import cross_fitted_resnet
from kpop_rca.scoring.scores import HEADLINE, Scores
from kpop_rca.system import seeds

if TYPE_CHECKING:
    from kpop_rca.oracles.embeddings import Embedding

DEFAULT_ORACLES = ("dlib",)
RESNET, RESNET_SIZE = "resnet", 32  # an oracle that is trained on crops of the photographs, of so many pixels
VERSIONED = ("kpop-rca", "numpy", "torch", "facenet-pytorch", "dlib-bin", "onnxruntime")
COMPARED = ("accuracy", HEADLINE)
PERSON = "person"
NO_COLUMNS = frozenset(("path", PERSON, "generator", "face", "face_size", "reason", "cluster"))  # of the CSV
MOST_VALUES = 12  # of a column by which scores are given although nobody named it
PROGRESS = "finding faces"


def score(
    real: Path | str,
    generated: Mapping[str, Path | str] | Path | str,
    oracles: Sequence[str] = DEFAULT_ORACLES,
    *,
    models: Mapping[str, Path | str] | None = None,
    model_size: int | None = None,
    size: int | None = None,
    by: Sequence[str] = (),
    seed: int = 0,
    replicates: int = 2000,
    keep: Path | str | None = None,
    workers: int | None = None,
    progress: Callable | None = None,
) -> Scores:
    """Score generated images on photographs of the people that they claim to show.

    Args:
        real: photographs: a folder with one folder per person, or a CSV, see `inputs.read`.
        generated: images of each generator by its name, likewise.
        oracles: names in `EMBEDDINGS` or `models`, and RESNET beside them; the first is the headline's.
        models: ONNX files of the user's own networks by name.
        model_size: side of their images in pixels, where the files do not say it.
        size: side in pixels to which every face is brought first; None to leave it.
        by: columns of the CSV by which scores are given; all of a few values by default.
        seed: of the resamples.
        replicates: of the bootstrap.
        keep: folder for embeddings, which are biometric data; without one, none are kept.
        workers: processes; None for one per core.
        progress: makes a progress bar, `tqdm` for example.

    Raises:
        StudyError: nothing can be scored: what was wrong, where, and the next step.
    """
    began = time.monotonic()
    given = inputs.read(real, generated)
    columns = columns_of(given.images, by)
    trained = is_trained(oracles, models)
    embeddings, missing = opened(oracles, models, model_size)
    warned = [EMBEDDINGS[e.name].warning for e in embeddings if e.name in EMBEDDINGS and EMBEDDINGS[e.name].warning]
    how = {"size": size, "crops": RESNET_SIZE if trained else None}
    how |= {"keep": Path(keep) if keep else None, "workers": workers}
    seen = _watched(partial(faces.find, given, embeddings, **how), given.images["path"].nunique(), progress)
    photographs = seen.images["generator"].eq("").to_numpy()
    person, cluster = (seen.images.loc[photographs, name].to_numpy() for name in ("person", "cluster"))
    images = seen.images[~photographs].reset_index(drop=True)
    fitted, similar, fairness, controls = {}, [], [], []
    for name, vectors in seen.embeddings.items():
        own, theirs = vectors[photographs], vectors[~photographs]
        fitted[name] = cross_fit(own, person, cluster, theirs, people=seen.people)
        stream = seeds.generator(seeds.Purpose.CALIBRATION, seed)
        calibration = similarity.calibrate(own, person, cluster, generator=stream)
        similar += _similar(name, calibration, theirs, images, seen, seed=seed)
        fairness += _fairness(name, calibration, seen.images[photographs], images, columns, seed=seed)
        how = {"calibration": calibration, "generator": seeds.generator(seeds.Purpose.SCORING_CONTROLS, seed)}
        controls.append(gate.run_controls(own, person, cluster, **how).assign(oracle=name))
    if trained:
        try:
            fitted[RESNET] = _resnet(seen, photographs)
        except StudyError as error:
            missing.append(str(error))
    requested = images["person"].to_numpy()
    estimated = estimate(fitted, requested, images["generator"], seen.people, n_replicates=replicates, seed=seed)
    return Scores(
        people=seen.people,
        measures=pd.concat([estimated.measures, pd.DataFrame(similar)], ignore_index=True),
        oracles=_oracles(estimated.oracles, embeddings),
        comparisons=_comparisons(images, fitted, estimated),
        columns=_by_column(seen, photographs, images, columns, fitted, estimated),
        fairness=pd.concat(fairness, ignore_index=True) if fairness else pd.DataFrame(),
        agreement=_agreement(estimated, seen.generators),
        gate=pd.concat(controls, ignore_index=True),
        notes=[*missing, *warned, *seen.notes],
        settings={
            "size": size or "as found",
            "seed": seed,
            "replicates": replicates,
            "seconds": round(time.monotonic() - began, 1),
            "versions": _versions(),
        },
    )


def _resnet(seen: faces.Found, photographs: np.ndarray) -> CrossFitted:
    """Predictions by ResNets that are trained on the photographs, bool (N,) of `seen`."""
    found = seen.images["face"].eq(faces.FOUND).to_numpy()
    person, cluster = (seen.images.loc[photographs, name].to_numpy() for name in ("person", "cluster"))
    own, theirs = seen.crops[photographs], seen.crops[~photographs]
    which = {"found": found[photographs], "generated_found": found[~photographs]}
    return cross_fitted_resnet(own, person, cluster, theirs, **which, people=seen.people)


def score_shard(
    real: Path | str,
    generated: Mapping[str, Path | str] | Path | str,
    oracles: Sequence[str] = DEFAULT_ORACLES,
    *,
    shard: str,
    keep: Path | str,
    models: Mapping[str, Path | str] | None = None,
    model_size: int | None = None,
    size: int | None = None,
    workers: int | None = None,
    progress: Callable | None = None,
) -> int:
    """Embed a part of the images into `keep`, for a `score` with the same arguments; how many images that were.

    Args:
        shard: which of how many, see `shards.chosen`.
    """
    part = shards.chosen(shard)
    given = inputs.read(real, generated)
    embeddings, _ = opened(oracles, models, model_size)
    how = {"size": size, "crops": RESNET_SIZE if is_trained(oracles, models) else None}
    how |= {"shard": part, "keep": Path(keep), "workers": workers}
    return _watched(partial(shards.embed_shard, given, embeddings, **how), len(given.images) // part[1], progress)


def is_trained(oracles: Sequence[str], models: Mapping[str, Path | str] | None) -> bool:
    """Whether one of the oracles is trained on the photographs."""
    return RESNET in oracles and RESNET not in (models or {})


def opened(
    names: Sequence[str], models: Mapping[str, Path | str] | None, model_size: int | None
) -> tuple[list["Embedding"], list[str]]:
    """The embeddings that can be used here, and a note on each of the others; RESNET is none.

    Raises:
        StudyError: a name that nobody knows, or not one that can be used.
    """
    found, missing, models = [], [], models or {}
    for name in names:
        if name == RESNET and is_trained(names, models):
            continue
        if name not in EMBEDDINGS and name not in models:
            open_embedding(name)  # which names the known ones
        try:
            model = models.get(name)
            found.append(open_embedding(name, model=Path(model) if model else None, size=model_size if model else None))
        except StudyError as error:
            missing.append(str(error))
    if not found:
        raise StudyError("\n".join(missing) or "no pretrained oracle was named; the default is dlib")
    return found, missing


def columns_of(images: pd.DataFrame, by: Sequence[str]) -> list[str]:
    """The columns of the CSV by which scores are given: those named, else all that have a few values.

    Raises:
        StudyError: there is no such column.
    """
    images = images[images["generator"] != ""]
    further = [name for name in images if name not in NO_COLUMNS]
    unknown = [name for name in by if name not in further]
    if unknown:
        there = ", ".join(further) or "none; a folder has no columns, a CSV may have any"
        raise StudyError(f"the images have no column {unknown[0]!r}; there are {there}")
    return list(by) or [name for name in further if 2 <= images[name].replace("", np.nan).nunique() <= MOST_VALUES]


def _by_column(
    seen: faces.Found,
    photographs: np.ndarray,
    images: pd.DataFrame,
    columns: Sequence[str],
    fitted: dict[str, CrossFitted],
    estimated: Estimates,
) -> pd.DataFrame:
    """The table `Scores.columns`, each person among the columns."""
    tables = []
    for name, of in fitted.items():
        turns = np.maximum(of.held_out.sum(axis=0), 1)
        right = (of.held_out * (of.predicted == of.person)).sum(axis=0) / turns
        real = seen.images[photographs].reset_index(drop=True).assign(value=right)
        real = real[of.held_out.any(axis=0)]
        real = real[[column for column in real if column not in columns or (real[column] != "").any()]]
        own = (of.generated == images["person"].to_numpy()).mean(axis=0)
        for measure, value in zip(COMPARED, (own, estimated.contributions[name]), strict=True):
            table = images.assign(value=value)
            about = {"oracle": name, "measure": measure}
            for generator, column in product(seen.generators, [PERSON, *columns]):
                chosen = table[table["generator"].eq(generator) & table["value"].notna()]
                chosen = chosen[chosen[column].astype(str) != ""]
                if chosen.empty:
                    continue
                found = by_column.by_group(
                    chosen, "value", column, photographs=real if measure == COMPARED[0] else None
                )
                tables.append(found.assign(generator=generator, **about))
    table = pd.concat(tables, ignore_index=True)
    names = dict(enumerate(seen.people))
    table["group"] = table["group"].astype(object).mask(table["column"] == PERSON, table["group"].map(names))
    table.loc[table["measure"] != COMPARED[0], ["due_to_oracle", "real", "real_difference"]] = None
    first = ["oracle", "generator", "column", "group", "measure"]
    return table[[*first, *(name for name in table if name not in first)]]


def _fairness(
    oracle: str,
    calibration: similarity.Calibration,
    photographs: pd.DataFrame,
    images: pd.DataFrame,
    columns: Sequence[str],
    *,
    seed: int,
) -> list[pd.DataFrame]:
    """The oracle's own errors by those of the columns that photographs have, by themselves or by their person."""
    tables = []
    for column in columns:
        groups = photographs[column]
        if (groups == "").all() and by_column.unit_of(images, column) == by_column.OF_PERSON:
            groups = photographs["person"].map(images.groupby("person")[column].first())
        if groups.replace("", np.nan).nunique() > 1:
            how = {"column": column, "generator": seeds.generator(seeds.Purpose.FAIRNESS, seed)}
            found = by_column.oracle_by_group(calibration, groups.replace("", np.nan).to_numpy(), **how)
            tables.append(found.assign(oracle=oracle))
    return tables


def _watched(work: Callable, total: int, progress: Callable | None) -> Any:
    """What some work on images returns, which is given a function to call with the number of those just finished."""
    if progress is None:
        return work()
    with progress(total=total, desc=PROGRESS, unit="image") as bar:
        found = work(progress=bar.update)
        bar.total = bar.n  # an image that came twice was looked at once
        return found


def _similar(
    oracle: str,
    calibration: similarity.Calibration,
    vectors: np.ndarray,
    images: pd.DataFrame,
    seen: faces.Found,
    *,
    seed: int,
) -> pd.DataFrame:
    """The measures of similarity of every generator under one oracle, as rows of `Scores.measures`."""
    tables = []
    for name in seen.generators:
        own = images["generator"].eq(name).to_numpy()
        found = similarity.measure(
            calibration,
            vectors[own],
            images.loc[own, "person"].to_numpy(),
            generator=seeds.generator(seeds.Purpose.SIMILARITY, seed),
        )
        of_all = found.table.assign(person="")[[*found.by_person]]
        of_each = found.by_person.assign(person=found.by_person["person"].map(dict(enumerate(seen.people))))
        tables += [of.assign(oracle=oracle, generator=name) for of in (of_all, of_each)]
    return pd.concat(tables, ignore_index=True)


def _oracles(accuracies: pd.DataFrame, embeddings: Sequence["Embedding"]) -> pd.DataFrame:
    """The table `Scores.oracles`."""
    notes = {e.name: EMBEDDINGS[e.name].note if e.name in EMBEDDINGS else "your own network" for e in embeddings}
    notes = {RESNET: "trained on your photographs"} | notes
    licences = {RESNET: "that of your photographs"} | {e.name: e.licence for e in embeddings}
    names = accuracies["oracle"]
    return accuracies.assign(licence=names.map(licences), note=names.map(notes))


def _comparisons(images: pd.DataFrame, fitted: dict[str, CrossFitted], estimated: Estimates) -> pd.DataFrame:
    """Every pair of generators, under every oracle, by each measure of COMPARED."""
    tables = []
    for name, of in fitted.items():
        right = (of.generated == images["person"].to_numpy()).mean(axis=0)
        values = dict(zip(COMPARED, (right, estimated.contributions[name]), strict=True))
        for measure, value in values.items():
            found = comparison.compare(images.assign(value=value), "value")
            tables.append(found.assign(oracle=name, measure=measure))
    table = pd.concat(tables, ignore_index=True)
    first = ["oracle", "measure", "a", "b"]
    return table[[*first, *(name for name in table if name not in first)]]


def _agreement(estimated: Estimates, generators: Sequence[str]) -> pd.DataFrame:
    """The table `Scores.agreement`: whether all oracles can be right about a generator."""
    whole = estimated.measures[(estimated.measures["person"] == "") & (estimated.measures["measure"] == HEADLINE)]
    rows = []
    for name in generators:
        values = whole[whole["generator"] == name].set_index("oracle")["value"]
        resampled = [estimated.replicates[HEADLINE, oracle, name].mean(axis=0) for oracle in values.index]
        found = agreement.overidentification(values, np.stack(resampled))
        rows.append({"generator": name, "oracles": len(values)} | asdict(found))
    return pd.DataFrame(rows)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an oracle that is not used, or a checkout that is not installed
            continue
    return found
