"""From images to scores: each step is a module of its own, and this one calls them in their order."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
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
from kpop_rca.scoring.cross_fitting import NOBODY, CrossFitted, cross_fit
from kpop_rca.scoring.estimates import Estimates, estimate
from kpop_rca.scoring.own_resnet import cross_fitted_resnet
from kpop_rca.scoring.scores import HEADLINE, Scores, unranked
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
SHOWN = 8  # people on a sheet of faces
PROGRESS = "finding faces"
NO_CONTROLS = "they would train 55 networks more; those of an embedding show how images are treated"


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
    embeddings, notes = opened(oracles, models, model_size)
    how = {"size": size, "crops": RESNET_SIZE if is_trained(oracles, models) else None}
    how |= {"keep": Path(keep) if keep else None, "workers": workers}
    found = _watched(partial(faces.find, given, embeddings, **how), given.images["path"].nunique(), progress)
    seen = _Seen(found, seed)
    fitted, refused = _cross_fitted(seen)
    calibrated = {name: _calibrated(seen, name) for name in found.embeddings}
    images = seen.images
    estimated = estimate(
        fitted, images["person"].to_numpy(), images["generator"], found.people, n_replicates=replicates, seed=seed
    )
    similar, copies = _similarity(seen, calibrated)
    scores = Scores(
        people=found.people,
        measures=pd.concat([estimated.measures, similar], ignore_index=True),
        oracles=_oracles(estimated.oracles, embeddings),
        comparisons=_comparisons(images, fitted, estimated),
        columns=_by_column(seen, columns, fitted, estimated),
        fairness=_fairness(seen, calibrated, columns),
        agreement=_agreement(estimated, found.generators),
        gate=_controls(seen, calibrated, fitted),
        images=_by_image(seen, next(iter(fitted.values())), next(iter(copies.values()), None)),
        notes=[*refused, *notes, *found.notes],
        settings={
            "size": size or "as found",
            "seed": seed,
            "replicates": replicates,
            "seconds": round(time.monotonic() - began, 1),
            "versions": _versions(),
        },
        examples=_examples(seen),
    )
    return replace(scores, comparisons=unranked(scores.comparisons, scores.copying))


class _Seen:
    """What was found, photographs and generated images apart, and the streams of random numbers."""

    def __init__(self, found: faces.Found, seed: int) -> None:
        self.found, self._seed = found, seed
        self._is_real = found.images["generator"].eq("").to_numpy()
        self.photographs, self.images = (
            found.images[of].reset_index(drop=True) for of in (self._is_real, ~self._is_real)
        )
        self.person, self.cluster = (self.photographs[name].to_numpy() for name in ("person", "cluster"))

    def apart(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the photographs, and those of the generated images, from (N, ...)."""
        return values[self._is_real], values[~self._is_real]

    def stream(self, purpose: seeds.Purpose) -> np.random.Generator:
        return seeds.generator(purpose, self._seed)


def _cross_fitted(seen: _Seen) -> tuple[dict[str, CrossFitted], list[str]]:
    """By oracle; and why there is none of a ResNet that was wanted."""
    found = seen.found
    fitted = {}
    for name, vectors in found.embeddings.items():
        own, theirs = seen.apart(vectors)
        fitted[name] = cross_fit(own, seen.person, seen.cluster, theirs, people=found.people)
    if found.crops is None:
        return fitted, []
    own, theirs = seen.apart(found.crops)
    with_face, theirs_with_face = seen.apart(found.images["face"].eq(faces.FOUND).to_numpy())
    which = {"found": with_face, "generated_found": theirs_with_face, "people": found.people}
    try:
        return fitted | {RESNET: cross_fitted_resnet(own, seen.person, seen.cluster, theirs, **which)}, []
    except StudyError as error:
        return fitted, [str(error)]


def _calibrated(seen: _Seen, oracle: str) -> similarity.Calibration:
    own, _ = seen.apart(seen.found.embeddings[oracle])
    return similarity.calibrate(own, seen.person, seen.cluster, generator=seen.stream(seeds.Purpose.CALIBRATION))


def _controls(
    seen: _Seen, calibrated: dict[str, similarity.Calibration], fitted: dict[str, CrossFitted]
) -> pd.DataFrame:
    """The table `Scores.gate`."""
    tables = []
    for name, calibration in calibrated.items():
        own, _ = seen.apart(seen.found.embeddings[name])
        how = {"calibration": calibration, "generator": seen.stream(seeds.Purpose.SCORING_CONTROLS)}
        tables.append(gate.run_controls(own, seen.person, seen.cluster, **how).assign(oracle=name))
    tables += [gate.not_run(NO_CONTROLS).assign(oracle=name) for name in fitted if name not in calibrated]
    return pd.concat(tables, ignore_index=True)


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
    """The embeddings that can be used here, and notes on them and on the others; RESNET is none.

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
    warnings = (EMBEDDINGS[embedding.name].warning for embedding in found if embedding.name in EMBEDDINGS)
    return found, [*missing, *filter(None, warnings)]


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
    seen: _Seen, columns: Sequence[str], fitted: dict[str, CrossFitted], estimated: Estimates
) -> pd.DataFrame:
    """The table `Scores.columns`, each person among the columns."""
    tables, images = [], seen.images
    for name, of in fitted.items():
        turns = np.maximum(of.held_out.sum(axis=0), 1)
        right = (of.held_out * (of.predicted == of.person)).sum(axis=0) / turns
        real = seen.photographs.assign(value=right)
        real = real[of.held_out.any(axis=0)]
        real = real[[column for column in real if column not in columns or (real[column] != "").any()]]
        own = (of.generated == images["person"].to_numpy()).mean(axis=0)
        for measure, value in zip(COMPARED, (own, estimated.contributions[name]), strict=True):
            table = images.assign(value=value)
            about = {"oracle": name, "measure": measure}
            for generator, column in product(seen.found.generators, [PERSON, *columns]):
                chosen = table[table["generator"].eq(generator) & table["value"].notna()]
                chosen = chosen[chosen[column].astype(str) != ""]
                if chosen.empty:
                    continue
                found = by_column.by_group(
                    chosen, "value", column, photographs=real if measure == COMPARED[0] else None
                )
                tables.append(found.assign(generator=generator, **about))
    table = pd.concat(tables, ignore_index=True)
    names = dict(enumerate(seen.found.people))
    table["group"] = table["group"].astype(object).mask(table["column"] == PERSON, table["group"].map(names))
    table.loc[table["measure"] != COMPARED[0], ["due_to_oracle", "real", "real_difference"]] = None
    first = ["oracle", "generator", "column", "group", "measure"]
    return table[[*first, *(name for name in table if name not in first)]]


def _fairness(seen: _Seen, calibrated: dict[str, similarity.Calibration], columns: Sequence[str]) -> pd.DataFrame:
    """The oracles' own errors by those of the columns that photographs have, by themselves or by their person."""
    tables = [pd.DataFrame()]
    for (name, calibration), column in product(calibrated.items(), columns):
        groups = seen.photographs[column]
        if (groups == "").all() and by_column.unit_of(seen.images, column) == by_column.OF_PERSON:
            groups = seen.photographs[PERSON].map(seen.images.groupby(PERSON)[column].first())
        groups = groups.replace("", np.nan)
        if groups.nunique() > 1:
            how = {"column": column, "generator": seen.stream(seeds.Purpose.FAIRNESS)}
            tables.append(by_column.oracle_by_group(calibration, groups.to_numpy(), **how).assign(oracle=name))
    return pd.concat(tables, ignore_index=True)


def _watched(work: Callable, total: int, progress: Callable | None) -> Any:
    """What some work on images returns, which is given a function to call with the number of those just finished."""
    if progress is None:
        return work()
    with progress(total=total, desc=PROGRESS, unit="image") as bar:
        found = work(progress=bar.update)
        bar.total = bar.n  # an image that came twice was looked at once
        return found


def _similarity(
    seen: _Seen, calibrated: dict[str, similarity.Calibration]
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The measures of similarity of every generator under every oracle, as rows of `Scores.measures`.

    And by oracle the photograph that each generated image copies, float (M,), NaN where it copies none.
    """
    tables, names = [], dict(enumerate(seen.found.people))
    copies = {oracle: np.full(len(seen.images), np.nan) for oracle in calibrated}
    for (oracle, calibration), generator in product(calibrated.items(), seen.found.generators):
        own = seen.images["generator"].eq(generator).to_numpy()
        photographs, vectors = seen.apart(seen.found.embeddings[oracle])
        requested, stream = seen.images.loc[own, PERSON].to_numpy(), seen.stream(seeds.Purpose.SIMILARITY)
        found = similarity.measure(calibration, vectors[own], requested, generator=stream)
        with_face = np.flatnonzero(np.isfinite(photographs).all(axis=1))  # by these `nearest` counts
        is_copy = found.images["copy_rate"].eq(1).to_numpy()
        copies[oracle][own] = np.where(is_copy, with_face[found.images["nearest"]], np.nan)
        of_each = found.by_person.assign(person=found.by_person[PERSON].map(names))
        of_all = found.table.assign(person="")[[*of_each]]
        tables += [of.assign(oracle=oracle, generator=generator) for of in (of_all, of_each)]
    return pd.concat(tables, ignore_index=True), copies


def _by_image(seen: _Seen, fitted: CrossFitted, copies: np.ndarray | None) -> pd.DataFrame:
    """The table `Scores.images`: whom most of an oracle's classifiers see on each image, and what it copies."""
    images, names = seen.images, np.array([*seen.found.people, ""], dtype=object)  # NOBODY is the last
    votes = np.stack([(fitted.generated == who).sum(axis=0) for who in range(len(seen.found.people))])
    predicted = np.where((fitted.generated == NOBODY).all(axis=0), NOBODY, votes.argmax(axis=0))
    table = pd.DataFrame({"generator": images["generator"], "path": images["path"], "face": images["face"]})
    table = table.assign(requested=names[images[PERSON].to_numpy()], predicted=names[predicted])
    if copies is None:
        return table
    paths, who = seen.photographs["path"].to_numpy(), names[seen.person]
    nearest, is_copy = np.nan_to_num(copies).astype(int), np.isfinite(copies)
    table["copied_person"], table["copied_path"] = (np.where(is_copy, of[nearest], "") for of in (who, paths))
    return table


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


def _examples(seen: _Seen) -> dict[str, list[str | None]]:
    """The table `Scores.examples`: the first image with a face of each person, of the first few people."""
    with_face = seen.found.images[seen.found.images["face"].eq(faces.FOUND)]
    first = with_face.groupby(["generator", PERSON], sort=False)["path"].first()
    people = range(len(seen.found.people))[:SHOWN]
    return {name: [first.get((name, who)) for who in people] for name in ["", *seen.found.generators]}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an oracle that is not used, or a checkout that is not installed
            continue
    return found
