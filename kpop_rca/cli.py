"""The command `kpop-rca`: score a generator's images, have people rate a study's, run a study, check it, report it.

kpop-rca score --real people/ --generated sdxl=gen/sdxl --generated instantid=gen/instantid --out reports/mine
kpop-rca score                                               # avatars, and generators whose truth is known
kpop-rca score --plan --people 20 --photos 15 --width 0.1    # how many images are needed
kpop-rca study --study quick
kpop-rca rate --study quick --raters 12 --out ratings/
kpop-rca rate --generated sdxl=gen/sdxl --generated gan=gen/gan --mode pairwise --out ratings/
"""

import argparse
import difflib
import importlib
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kpop_rca import __version__
from kpop_rca.errors import StudyError, said_in_a_line
from kpop_rca.study import paths
from kpop_rca.system import console

STUDIES = {"study": "studies", "verify": "verify", "report": "report"}  # command to the module whose `main` it is
ABOUT = {
    "score": "score the images of generators on photographs of the people that they claim to show",
    "study": "run whole studies of this project's own generator",
    "rate": "write pages on which people rate a study's images",
    "verify": "check every file of a study again",
    "report": "write a study's report",
}
ORACLES = ("dlib",)
OUT = Path("reports") / "scores"
INTERRUPTED = 130  # exit status, as a shell has it


def parser() -> argparse.ArgumentParser:
    """The options of `kpop-rca score`."""
    found = argparse.ArgumentParser(
        prog="kpop-rca score",
        description="Does each image show the person that was requested? Without --real and --generated, avatars and "
        "generators whose truth is known are scored.",
        allow_abbrev=False,
    )
    given = found.add_argument_group("images")
    given.add_argument("--real", type=Path, metavar="PLACE", help="photographs: one folder per person, or a CSV")
    given.add_argument(
        "--generated",
        action="append",
        default=[],
        metavar="NAME=PLACE",
        help="a generator's images: one folder per person, named as those of --real, or a CSV; once per generator. "
        "A CSV whose column generator names several needs no name",
    )
    given.add_argument("--generators", default="", metavar="WORDS", help="several of --generated in one text")
    given.add_argument("--size", type=int, metavar="PX", help="bring all faces to this side first, such as 32")
    oracles = found.add_argument_group("oracles")
    oracles.add_argument(
        "--oracle",
        action="append",
        default=[],
        metavar="NAME[=FILE.onnx]",
        help="dlib, facenet, sface, resnet (trained on your photographs) or a file of your own; may be repeated "
        "(default: dlib)",
    )
    oracles.add_argument("--oracle-size", type=int, metavar="PX", help="side of the faces that an ONNX file takes")
    written = found.add_argument_group("results")
    written.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help=f"where they go (default: {OUT})")
    written.add_argument("--by", action="append", default=[], metavar="COLUMN", help="scores by a column of the CSV")
    written.add_argument("--anonymise", action="store_true", help="numbers in place of people's names, everywhere")
    written.add_argument("--publish-images", action="store_true", help="show some of the faces on the page")
    written.add_argument("--keep-embeddings", type=Path, metavar="FOLDER", help="biometric data: kept there only")
    running = found.add_argument_group("running")
    running.add_argument("--seed", type=int, default=0, help="of the resamples (default: 0)")
    running.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")
    running.add_argument(
        "--shard",
        metavar="I/N",
        help="embed one of N parts of the images into --keep-embeddings, no more; auto asks Slurm or accelerate",
    )
    planning = found.add_argument_group("planning: how many images are needed, without any image")
    planning.add_argument("--plan", action="store_true", help="print a table, and score nothing")
    planning.add_argument("--people", type=int, default=20, help="people (default: 20)")
    planning.add_argument("--photos", type=int, default=15, help="photographs per person (default: 15)")
    planning.add_argument("--width", type=float, default=0.1, help="of the 95 %% interval (default: 0.1)")
    return found


def generators(options: argparse.Namespace) -> dict[str, Path] | Path:
    """Name to place of the generators that the options name; or one CSV, whose column generator names them.

    Raises:
        StudyError: one is no `name=place`, or a name is given twice.
    """
    try:
        words = [*options.generated, *shlex.split(options.generators)]
    except ValueError as error:
        raise StudyError(
            f"GENERATED is {options.generators!r}: {error}; write name=folder, with spaces between"
        ) from None
    if len(words) == 1 and "=" not in words[0] and words[0].lower().endswith(".csv"):
        return Path(words[0])
    return named_folders(words)


def named_folders(words: Sequence[str]) -> dict[str, Path]:
    """Name to place of `name=place`, each of --generated.

    Raises:
        StudyError: one is no `name=place`, or a name is given twice.
    """
    found: dict[str, Path] = {}
    for word in words:
        name, equals, place = word.partition("=")
        name = name.strip()
        if not (equals and name and place):
            raise StudyError(f"--generated {word}: expected name=folder, such as sdxl=gen/sdxl")
        if name in found:
            raise StudyError(f"--generated names {name} twice; give each generator a name of its own")
        found[name] = Path(place)
    return found


def oracles(words: Sequence[str]) -> tuple[list[str], dict[str, Path]]:
    """Names of the oracles, and the ONNX files of those that are the user's own."""
    pairs = [word.partition("=") for word in words]
    names = [name.strip() for name, _, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StudyError(f"--oracle names {twice[0]} twice")
    return names, {name.strip(): Path(file) for name, equals, file in pairs if equals}


def score(arguments: Sequence[str] | None = None) -> int:
    """`kpop-rca score`; returns the exit status."""
    options = parser().parse_args(arguments)
    if options.plan:
        from kpop_rca import scoring  # not above: --help and a mistake need none of its packages

        table = scoring.plan(people=options.people, photos=options.photos, width=options.width)
        print(scoring.planned(table, width=options.width))
        print(
            f"\nImages per person and generator, for a 95 % interval {options.width:g} wide, or to see a difference of "
            f"{options.width:g},\nby the oracle's accuracy on photographs and the fraction that shows the requested "
            "person. Narrowest is the\nwidth that more images cannot go below with these photographs.\n"
        )
        print(table.to_string(index=False, na_rep="-", formatters={"narrowest": "{:.2f}".format}))
        return 0
    named, (names, models) = generators(options), oracles(options.oracle)
    if bool(options.real) != bool(named):
        missing = "--generated name=folder" if options.real else "--real folder"
        raise StudyError(f"{missing} is missing; photographs and generated images are scored together")
    generated = named.values() if isinstance(named, dict) else [named]
    for option, places in (("--real", [options.real] if options.real else []), ("--generated", generated)):
        for place in places:
            require_there(place, option)
    from kpop_rca import scoring

    how = {"models": models, "model_size": options.oracle_size, "size": options.size, "workers": options.workers}
    how |= {"oracles": names or list(ORACLES), "keep": options.keep_embeddings, "progress": console.bar}
    if options.anonymise and options.publish_images:
        raise StudyError("--publish-images shows the faces of those whom --anonymise hides; choose one of them")
    if options.shard:
        return embed_shard(options, named, how)
    how |= {"seed": options.seed}
    if named:
        scores = scoring.score(real=options.real, generated=named, by=options.by, **how)
    else:
        scores = scoring.demonstrate(options.out, **how)
    page = scores.report(options.out, anonymise=options.anonymise, publish_images=options.publish_images)
    print("\n".join(scores.lines(anonymise=options.anonymise)))
    print(f"\n{scores.summary.to_string(index=False)}\n\nopen {page}")
    return 0 if scores.usable else 1


def require_there(place: Path, option: str) -> None:
    """Refuse a folder or CSV that is not there, with the name beside it that it may be meant for."""
    if place.exists():
        return
    beside = [path.name for path in place.parent.iterdir()] if place.parent.is_dir() else []
    close = difflib.get_close_matches(place.name, beside, n=1)
    known = "name one folder per person, or a CSV with the columns path and person"
    hint = f"did you mean {place.with_name(close[0])}?" if close else known
    raise StudyError(f"{option} {place} is not there; {hint}")


def embed_shard(options: argparse.Namespace, named: dict[str, Path] | Path, how: dict[str, Any]) -> int:
    """Embed a part of the images for a later scoring; returns the exit status."""
    from kpop_rca import scoring

    if not (named and options.keep_embeddings):
        raise StudyError("--shard needs --real, --generated and --keep-embeddings, the folder for all parts")
    count = scoring.score_shard(options.real, named, shard=options.shard, **how)
    print(f"{count} images embedded into {options.keep_embeddings}")
    return 0


def rating_parser() -> argparse.ArgumentParser:
    """The options of `kpop-rca rate`."""
    found = argparse.ArgumentParser(
        prog="kpop-rca rate",
        description="Write one HTML page per rater, to be opened in a browser; nothing is sent. Each rater saves a CSV "
        "and a JSON at the end, and sends them back.",
        allow_abbrev=False,
    )
    found.add_argument("--study", default="quick", help="a finished study (default: quick)")
    found.add_argument(
        "--generated",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="in place of a study: a folder with a folder per person, of a generator or of photographs; give two or "
        "more to have them compared",
    )
    found.add_argument("--raters", type=_count, default=12, metavar="N", help="pages to write (default: 12)")
    found.add_argument(
        "--out",
        type=Path,
        default=Path("ratings"),
        metavar="FOLDER",
        help="of the pages and their key (default: ratings)",
    )
    found.add_argument("--images", type=_count, default=300, metavar="N", help="images to rate (default: 300)")
    found.add_argument("--mode", choices=["rating", "pairwise", "triplet"], default="rating", help="what is asked")
    found.add_argument(
        "--repeats", type=_count_or_none, default=20, metavar="N", help="questions asked twice (default: 20)"
    )
    found.add_argument(
        "--practice", type=_count_or_none, default=10, metavar="N", help="questions that do not count (default: 10)"
    )
    found.add_argument("--smooth", action="store_true", help="enlarge images smoothly, not pixel by pixel")
    found.add_argument(
        "--photographs",
        type=Path,
        metavar="FOLDER",
        help="photographs of people, such as LFW, whose faces the study's model restores: a tenth of --images more",
    )
    found.add_argument("--contact", metavar="TEXT", help="whom raters send their files to, and ask to delete them")
    found.add_argument("--consent", type=Path, metavar="FILE", help="text of your ethics board, one paragraph a line")
    return found


def _count(text: str) -> int:
    """A whole number above 0, of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _count_or_none(text: str) -> int:
    """A whole number from 0 on, of an option."""
    return 0 if text == "0" else _count(text)


def rate(arguments: Sequence[str] | None = None) -> int:
    """`kpop-rca rate`; returns the exit status."""
    options = rating_parser().parse_args(arguments)
    from kpop_rca.human_ratings import rating_page, stimuli
    from kpop_rca.study import params, privacy

    told, own = params.resolve(options.study), named_folders(options.generated)
    if own and options.photographs:
        raise StudyError("--photographs are restored by a study's model; leave --generated out, or name them there")
    public = privacy.may_show(told["data_source"], publish_images=told["publish_images"]) and not options.photographs
    public = public and not own
    rating_page.require_private(options.out, public=public)
    if not own and not (paths.artifacts_folder(options.study) / "generated").is_dir():
        raise StudyError(f"the study {options.study} has no images here yet; run: make study STUDY={options.study}")
    how = {"contact": options.contact} if options.contact else {}
    if options.consent:
        if not options.consent.is_file():
            raise StudyError(f"--consent {options.consent}: there is no such file")
        how["consent"] = [line for line in options.consent.read_text(encoding="utf-8").splitlines() if line.strip()]
    plan = rating_page.Plan(
        raters=options.raters,
        seed=told["seed"],
        mode=options.mode,
        repeats=options.repeats,
        practice=options.practice,
        pixelated=not options.smooth,
        **how,
    )
    if own:
        shown = stimuli.of_folders(own, n_images=options.images, seed=told["seed"])
    else:
        shown = stimuli.of_study(options.study, n_images=options.images)
    if options.photographs:
        shown += stimuli.of_photographs(options.study, options.photographs, n_images=max(2, options.images // 10))
    written = rating_page.write_pages(shown, options.out, plan)
    print(f"{len(written)} pages in {options.out}, one per rater, and {rating_page.KEY}, which no rater may see")
    if not public:
        print("they show photographs of people: send them to your raters alone, and publish none of them")
    return 0


@said_in_a_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    name, *words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print("usage: kpop-rca COMMAND [--help] ...\n")
        print("\n".join(f"  {command:8} {about}" for command, about in ABOUT.items()))
        return 0
    if name == "--version":
        print(__version__)
        return 0
    try:
        return command(name)(words)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED


def command(name: str) -> Callable[[list[str]], int]:
    """What runs a command, given its further words.

    Raises:
        StudyError: there is none of that name, or it can't be run here.
    """
    if name == "score":
        return score
    if name not in STUDIES and name != "rate":
        close = difflib.get_close_matches(name, ABOUT, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise StudyError(f"there is no command {name!r}; {hint}There are {', '.join(ABOUT)}")
    if not paths.study_file("quick").is_file():
        raise StudyError(
            f"{name} works in a checkout of the project, which has notebooks/ and params/; score needs none"
        )
    return rate if name == "rate" else importlib.import_module(f"kpop_rca.{STUDIES[name]}").main


if __name__ == "__main__":
    sys.exit(main())
