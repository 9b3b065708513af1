"""A study's images as they are rated, by simulated raters or by people, and what metrics say of the same images."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kpop_rca.avatars import attributes, shots
from kpop_rca.errors import StudyError
from kpop_rca.faces import crops, load_audit
from kpop_rca.human_ratings import maximum_likelihood, mos, outliers, pairs, rating_page, raw_ratings, simulated
from kpop_rca.human_ratings.stimuli import AUTHENTICITY, ID_FIDELITY, QUALITY, Stimulus
from kpop_rca.study import manifests
from kpop_rca.system import seeds

# Qualities that simulated raters see, 0 to 5. They are invented, and in the order in which one would expect them.
KNOWN = {
    "real, held out": 3.9,
    "ddpm, all steps": 3.1,
    "ddpm, quarter of the steps": 2.0,
    "bicubic, restored": 1.8,
    "ddpm, restored": 2.5,
    "bicubic, restored photograph": 1.6,
    "ddpm, restored photograph": 2.0,
    "degraded, anchor": 0.9,
    "swapped, anchor": 3.9,
}
REAL_BONUS = 0.6  # of authenticity, for real images
SPREAD = 0.4  # standard deviation of quality about that, half of its variance from sharpness
ALPHA = 0.05  # of tests between metrics, after Holm
REPEATED = 20  # images that a simulated rater sees twice
AVATARS = "idols"  # the source of data whose attributes are known
LEAST_OF_CLASS = 5  # images of one value of an attribute, or of a person
OF_PERSON = {"hair_colour": "hair colour", "long_hair": "long hair"}  # what all images of a person share
OF_IMAGE = {"smiling": "smile", "hat": "hat", "sunglasses": "glasses"}
TRIPLET = ("real, held out", "ddpm, all steps", "ddpm, quarter of the steps")


def images_of(stimuli: Sequence[Stimulus], groups: Sequence[Sequence[int]], names: Sequence[str]) -> pd.DataFrame:
    """One row per image: image, generator (with its level), identity, group of look-alikes (1, 2, …; 0 for none)."""
    group = {names[label]: number for number, labels in enumerate(groups, start=1) for label in labels}
    rows = [(s.name, f"{s.generator}, {s.level}", s.identity, group.get(s.identity, 0)) for s in stimuli]
    return pd.DataFrame(rows, columns=["image", "generator", "identity", "group"])


def known_qualities(
    images: pd.DataFrame, *, sharpness: np.ndarray, likeness: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """What simulated raters see in each image, 0 to 5, by dimension: a made-up truth, in which two metrics have a part.

    Args:
        images: from `images_of`, N rows.
        sharpness: float (N,); its ranks count, towards quality.
        likeness: of the requested identity, float (N,), at most 1, NaN where nobody knows; towards ID fidelity.
        seed: of the study.
    """
    rng = seeds.generator(seeds.Purpose.SIMULATED_QUALITY, seed)
    base = images["generator"].map(KNOWN).to_numpy()
    rank = pd.Series(sharpness).rank(pct=True).to_numpy() - 0.5
    noise = rng.standard_normal((3, len(images)))
    quality = base + SPREAD * np.sqrt(0.5) * (np.sqrt(12) * rank + noise[0])
    authenticity = quality - 0.5 + REAL_BONUS * images["generator"].eq(TRIPLET[0]) + SPREAD * noise[1]
    swapped = images["generator"].str.startswith("swapped")
    like = np.nan_to_num(likeness, nan=0.5).clip(0, 1)
    fidelity = np.where(swapped, 0.5, 0.5 + 3.5 * like) + SPREAD * noise[2]
    truth = {QUALITY: quality, AUTHENTICITY: authenticity, ID_FIDELITY: fidelity}
    return {name: np.clip(np.asarray(values), 0.1, 4.9) for name, values in truth.items()}


def parse_groups(text: str, raters: Sequence[str]) -> dict[str, str] | None:
    """Rater to group of a parameter such as "rater-01,rater-02|rater-03"; None for "", which is one group of all.

    Raises:
        StudyError: a rater is in no group, in two, or unknown.

    >>> parse_groups("a|b,c", ["a", "b", "c"])
    {'a': 'group 1', 'b': 'group 2', 'c': 'group 2'}
    """
    if not text:
        return None
    named = [
        (name.strip(), f"group {k}") for k, part in enumerate(text.split("|"), start=1) for name in part.split(",")
    ]
    if sorted(name for name, _ in named) != sorted(raters):
        raise StudyError(
            f"rater_groups is {text!r}; expected each of {', '.join(sorted(raters))} once, groups parted by |"
        )
    return dict(named)


def simulated_names(panel: simulated.Panel) -> list[str]:
    """simulated-01, simulated-02, …"""
    return [f"simulated-{k + 1:02d}" for k in range(panel.raters)]


def simulated_ratings(
    stimuli: Sequence[Stimulus],
    truth: dict[str, np.ndarray],
    panel: simulated.Panel,
    *,
    seed: int,
    groups: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """A table as `raw_ratings.read_folder` reads it, of simulated raters; some images are rated twice.

    Args:
        groups: rater to group; the groups then share the images among them, in turns, as F-Bench's do.
    """
    tables = []
    for number, (dimension, quality) in enumerate(truth.items()):
        rng = seeds.generator(seeds.Purpose.SIMULATED_RATERS, seed, number)
        asked = np.array([dimension in s.dimensions for s in stimuli])
        names = np.array([s.name for s in stimuli])[asked]
        seen = np.r_[np.arange(len(names)), np.arange(min(REPEATED, len(names)))]
        who = simulated.rate(quality[asked], panel, generator=rng, again=seen[len(names) :])
        frame = pd.DataFrame(who, columns=simulated_names(panel)).assign(
            image=names[seen], trial=np.arange(len(seen)) // len(names)
        )
        tables.append(frame.melt(["image", "trial"], var_name="rater", value_name="rating").assign(dimension=dimension))
    table = pd.concat(tables, ignore_index=True)
    if groups:
        order = sorted(set(groups.values()))
        own = {s.name: order[k % len(order)] for k, s in enumerate(stimuli)}
        table = table[table["rater"].map(groups) == table["image"].map(own)]
    return raw_ratings.checked(table.reset_index(drop=True), source=simulated.NOTE)


def simulated_comparisons(
    stimuli: Sequence[Stimulus], truth: np.ndarray, panel: simulated.Panel, *, seed: int, questions: int = 120
) -> pd.DataFrame:
    """Pairs as `pairs.of_folder` reads them, of simulated raters on the page's own questions; some come twice.

    A rater sees each image with the panel's inconsistency, and calls closer ones than that a tie; spammers and lapses
    answer at random.

    Args:
        truth: quality of the stimuli, 0 to 5, float (N,).
    """
    plan = rating_page.Plan(panel.raters, seed, mode="pairwise", practice=0)
    quality = dict(zip((s.name for s in stimuli), truth, strict=True))
    rng, rows = seeds.generator(seeds.Purpose.SIMULATED_COMPARISONS, seed), []
    asked = rating_page.questions(stimuli, plan)[:questions]
    for name, spams in zip(
        simulated_names(panel), np.arange(panel.raters) >= panel.raters - panel.spammers, strict=True
    ):
        for number, trial in [(k, 0) for k in range(len(asked))] + [(k, 1) for k in range(min(REPEATED, len(asked)))]:
            one, other = (asked[number][k] for k in rng.permutation(2))
            gap = quality[one.name] - quality[other.name] + panel.inconsistency * np.sqrt(2) * rng.standard_normal()
            winner = "tie" if abs(gap) < panel.inconsistency / 2 else "first" if gap > 0 else "second"
            if spams or rng.random() < panel.lapses:
                winner = str(rng.choice(pairs.WINNERS))
            rows.append(
                (name, str(number), f"{one.generator}, {one.level}", f"{other.generator}, {other.level}", winner, trial)
            )
    return pd.DataFrame(rows, columns=pairs.COLUMNS)


def of_people(folder: Path, images: pd.DataFrame, *, rater_groups: str = "") -> tuple[pd.DataFrame, dict | None]:
    """The files of a folder that raters sent back, with the images' names in place of the ids on their pages.

    Args:
        rater_groups: see `parse_groups`; of the raters' names in their files.

    Returns:
        the ratings, raters pseudonymous; and rater to group, by the same pseudonyms, None for one group.

    Raises:
        StudyError: the key of the pages is missing, or they show other images than `images`.
    """
    known = raw_ratings.read_key(folder)
    rated = known.loc[known["role"] != "beside", "image"]
    if set(rated) - set(images["image"]):
        raise StudyError(
            f"the pages of {folder} show {len(rated)} images of another sample; set rated_images={len(rated)}"
        )
    named = raw_ratings.read_folder(folder)
    groups = parse_groups(rater_groups, named["rater"].unique())
    table = raw_ratings.pseudonymous(named)
    groups = groups and {new: groups[old] for old, new in zip(named["rater"], table["rater"], strict=True)}
    names = table["image"].map(known.set_index("id")["image"])
    if names.isna().any():
        raise StudyError(f"{folder}: image {table['image'][names.isna()].iloc[0]} is not in {raw_ratings.KEY}")
    return table.assign(image=names), groups


def ranked_by_people(folder: Path, stimuli: Sequence[Stimulus]) -> tuple[np.ndarray, pd.DataFrame]:
    """The triplets of a study's images that raters ranked, by the mean of their points; a repeated triplet is left out.

    Args:
        folder: of what raters sent back, with its key.
        stimuli: the study's images, of the sample that the pages show.

    Returns:
        images, uint8 (N, H, W, 3), and triplet, image (index into them) and points (3 for the best).

    Raises:
        StudyError: the key is missing, nobody ranked a triplet, or the pages show other images.
    """
    key, (_, points) = raw_ratings.read_key(folder), pairs.read_comparisons(folder)
    points = points[points["trial"] == 0].dropna(subset="points")
    if points.empty:
        raise StudyError(f"nobody ranked a triplet in {folder}; pages of kpop-rca rate --mode triplet ask for that")
    place = {one.name: number for number, one in enumerate(stimuli)}
    index = points["image"].map(key.set_index("id")["image"]).map(place)
    if index.isna().any():
        raise StudyError(
            f"the pages of {folder} show images of another sample; set rated_images to the --images that they had"
        )
    table = points.assign(image=index.astype(int))
    means = table.groupby(["triplet", "image"], sort=False)["points"].mean().reset_index()
    return np.stack([one.image for one in stimuli]), means


def scored(
    table: pd.DataFrame, *, least_ratings: int, rater_groups: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Every dimension from raw ratings to MOS; a rater who is rejected in one is left out of that one.

    Args:
        rater_groups: rater to group, where groups rated different images, as in F-Bench: each is screened for itself.

    Returns:
        screening (dimension and the columns of `outliers.screen`), scores (dimension, image, rater, score: z-scores on
        0 to 100 of the raters who count), and MOS (dimension and the columns of `mos.by_image`; p910 and p910_se, the
        quality and its standard error by ITU-T P.910's model of all raters, on the scale of the ratings).
    """
    groups = table["rater"].map(rater_groups) if rater_groups else pd.Series("all", index=table.index)
    screened, scores, means = [], [], []
    for dimension in sorted(table["dimension"].unique()):
        parts, fits = [], []
        for _, of_group in table[table["dimension"] == dimension].groupby(groups):
            matrix = raw_ratings.matrix(of_group, dimension)
            found = outliers.screen(matrix)
            kept = matrix.loc[:, ~found["rejected"].to_numpy()]
            parts.append(pd.DataFrame(mos.z_scores(kept.to_numpy()), index=kept.index, columns=kept.columns))
            screened.append(found.assign(dimension=dimension))
            fitted = maximum_likelihood.fit(matrix.to_numpy())
            fits.append(pd.DataFrame({"p910": fitted.quality, "p910_se": fitted.standard_error}, index=matrix.index))
        z = pd.concat(parts, axis="columns").sort_index()
        scores.append(mos.long(z).assign(dimension=dimension))
        p910 = pd.concat(fits).groupby(level=0).mean()  # of an image that two groups rated
        means.append(mos.by_image(z, least_ratings=least_ratings).join(p910, on="image").assign(dimension=dimension))
    return tuple(pd.concat(part, ignore_index=True) for part in (screened, scores, means))


def valid_ratings(scores: pd.DataFrame, *, least: Sequence[int]) -> pd.DataFrame:
    """What a least number of valid ratings costs and gives, by dimension.

    Args:
        scores: of `scored`.
        least: numbers to try.

    Returns:
        dimension, least_ratings, images (with so many), half_width (mean of their 95 % intervals; NaN of no image).
    """
    rows = []
    for dimension, part in scores.groupby("dimension"):
        matrix = part.pivot(index="image", columns="rater", values="score")
        for number in least:
            found = mos.by_image(matrix, least_ratings=number)
            width = (found["high"] - found["low"]).mean() / 2
            rows.append((dimension, number, int(found["mos"].notna().sum()), width))
    return pd.DataFrame(rows, columns=["dimension", "least_ratings", "images", "half_width"])


def sentences(
    who: str, by_generator: Mapping[str, pd.DataFrame], agree: Mapping[str, pd.DataFrame], names: Mapping[str, str]
) -> Iterator[str]:
    """The answer, computed: who is rated best on each dimension, and which metric agrees most with its MOS.

    Args:
        who: rates.
        by_generator: dimension to `mos.group_means`.
        agree: dimension to `correlation.agreement_table`'s first.
        names: metric to its title.
    """
    yield f"Raters: {who}."
    for dimension, found in agree.items():
        best, usable = by_generator[dimension]["generator"].iloc[0], found.dropna(subset="srcc")
        if usable.empty:
            yield f"{dimension}: {best} is rated best; no metric could be correlated."
            continue
        top = usable.loc[usable["srcc"].abs().idxmax()]
        yield (
            f"{dimension}: {best} is rated best; {names.get(top['metric'], top['metric'])} agrees most, "
            f"SRCC {top['srcc']:.2f} [{top['srcc_low']:.2f}, {top['srcc_high']:.2f}] on {top['n']} images."
        )


def about_pairs(tested: Mapping[str, pd.DataFrame]) -> str:
    """How many pairs of metrics differ in |SRCC|, after Holm's correction within each dimension."""
    parts = [
        f"{(table['p_holm'] < ALPHA).sum()} of {len(table)} on {name}" for name, table in tested.items() if len(table)
    ]
    return f"Pairs of metrics that differ in |SRCC| (paired bootstrap, Holm, 5 %): {', '.join(parts) or 'none tested'}."


def effect_of_steps(replicates: pd.DataFrame, means: pd.DataFrame) -> dict[str, float]:
    """MOS of images in a quarter of the sampling steps less that of all steps, with its 95 % interval."""
    _, full, quarter = TRIPLET
    of = means.set_index("generator")["mean"]
    low, high = np.percentile(replicates[quarter] - replicates[full], [2.5, 97.5])
    return {"change": float(of[quarter] - of[full]), "low": float(low), "high": float(high)}


def attributes_of(images: pd.DataFrame, study: str) -> pd.DataFrame:
    """What is known of the avatars that are rated: image, attribute, value; nothing of photographs.

    Hair is that of the person, and of generated images the requested one's. What an image has for itself is known of
    test faces and of what was made from them.

    Args:
        images: from `images_of`.
    """
    _, root, source = load_audit(manifests.folder_of(study, "audit"))
    index = crops.load_index(manifests.folder_of(study, "faces"))
    test = index[index["split"] == "test"].reset_index(drop=True)
    tested = set(test["path"]) if source == AVATARS else set()
    known = {path: attributes(shot) for path, shot in shots(root) if path in tested and shot.sitters} if tested else {}
    return _told(images, [known.get(path, {}) for path in test["path"]], test["identity"])


def _told(images: pd.DataFrame, of_row: Sequence[Mapping], identities: Sequence[str]) -> pd.DataFrame:
    """`attributes_of`, by the attributes and identities of the test faces, of which an image's name has the row."""
    of_person: dict[str, list[Mapping]] = {}
    for found, identity in zip(of_row, identities, strict=True):
        of_person.setdefault(identity, []).extend([found] * bool(found))
    rows = []
    for image, identity in images[["image", "identity"]].itertuples(index=False):
        own = of_person.get(identity, [])
        for name, title in OF_PERSON.items() if own else ():
            rows.append((image, title, _said(pd.Series([each[name] for each in own]).mode()[0])))
        made_of = {} if image.startswith("generated/") or not own else of_row[int(image.rsplit("/", 1)[1])]
        rows += [(image, title, _said(made_of[name])) for name, title in OF_IMAGE.items() if made_of]
    return pd.DataFrame(rows, columns=["image", "attribute", "value"])


def _said(value: bool | str) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"


def means_by_class(
    scores: pd.DataFrame, attributes: pd.DataFrame, *, n_replicates: int, generator: np.random.Generator
) -> pd.DataFrame:
    """MOS of each person and of each value of an attribute, with a bootstrap over raters and images.

    Args:
        scores: of `scored`, with the identity of each image.
        attributes: from `attributes_of`.

    Returns:
        dimension, by ("person" or an attribute) and the columns of `mos.group_means`, its first called `value`. A value
        of fewer than LEAST_OF_CLASS images is left out, as no bootstrap over them means anything, and so is an
        attribute that has then a single value.
    """
    people = scores.assign(attribute="person", value=scores["identity"])
    every = pd.concat([people, scores.merge(attributes, on="image")], ignore_index=True)
    of = every.groupby(["dimension", "attribute", "value"])["image"].transform("nunique")
    every = every[of >= LEAST_OF_CLASS]
    every = every[every.groupby(["dimension", "attribute"])["value"].transform("nunique") > 1]
    how, found = {"clusters": ["rater", "image"], "n_replicates": n_replicates, "generator": generator}, {}
    for key, part in every.groupby(["dimension", "attribute"], sort=False):
        replicates = mos.group_replicates(part, "value", "score", **how)
        found[key] = mos.group_means(part, "value", "score", replicates).sort_values("value")
    return pd.concat(found, names=["dimension", "by"]).reset_index(level=[0, 1]).reset_index(drop=True)


def about_triplets(points: pd.DataFrame, agreed: float, *, who: str, ranked: bool) -> str:
    """How far annotators agree on triplets, and whether they ranked the images or rated each by itself.

    Args:
        points: of `triplets`, or of people who ranked.
        agreed: from `agreement.points_by_majority`.
        ranked: by people; else the ranks are those of ratings.
    """
    how = "" if ranked else "; ranks by the ratings of each image, on which agreement comes easily"
    number = points["triplet"].nunique()
    return f"{number} triplets ({who}{how}): more than half agree on {agreed:.1%} of the images"


def triplets(table: pd.DataFrame, images: pd.DataFrame, *, annotators: int = 5) -> pd.DataFrame:
    """Three images of one identity (a real one, all steps, a quarter) with five raters' points, 3 for the best.

    Returns:
        one row per image: triplet, generator, and the points of each of the first raters who rated all of them.
    """
    matrix = raw_ratings.matrix(table, QUALITY)
    part = images[images["generator"].isin(TRIPLET) & images["image"].isin(matrix.index)]
    part = part.assign(number=part.groupby(["generator", "identity"]).cumcount())
    part["triplet"] = part["identity"] + "/" + part["number"].astype(str)
    part = part[part.groupby("triplet")["image"].transform("size") == len(TRIPLET)].sort_values("triplet")
    rated = matrix.loc[part["image"]].dropna(axis="columns").iloc[:, :annotators]
    points = rated.groupby(part["triplet"].to_numpy()).rank(method="first").astype(int)
    return part[["triplet", "generator"]].reset_index(drop=True).join(points.reset_index(drop=True))
