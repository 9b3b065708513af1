"""What hashes vouch for: a stage's files, its part of the report, the photographs, and half-done work."""

import shutil
from pathlib import Path
from typing import Any

from kpop_rca import fingerprint, paths, stages
from kpop_rca.disk import read_json, write_json
from kpop_rca.errors import StudyError

MANIFEST = "manifest.json"
STARTED = "started.json"
SEAL = "seal.json"
SOURCE = "source.json"  # of the audit: where the photographs are
METRICS = "metrics.json"
GONE, OTHER, UNKNOWN = "gone", "other contents", "not in the manifest"


def files_of(folder: Path) -> dict[str, Path]:
    """What a stage made: every file but the two records, by its name within the folder.

    Hidden files are nobody's results: half-written ones of a process that was killed, or a file manager's notes.
    """
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    hidden = {name for name in found if any(part.startswith(".") for part in name.split("/"))}
    return {name: path for name, path in found.items() if name not in hidden | {MANIFEST, STARTED}}


def reported(report: Path, stage: stages.Stage) -> dict[str, Path]:
    """What a stage added to the report: figures and tables that carry its number, and from 06 the metrics."""
    found = [path for kind in ("figures", "tables") for path in (report / kind).glob(f"{stage.notebook[:2]}_*")]
    found += [report / METRICS] if stage.folder == "rca" and (report / METRICS).is_file() else []
    return {path.relative_to(report).as_posix(): path for path in sorted(found)}


def photographs(folder: Path) -> dict[str, Any]:
    """What the manifest of the audit says of the photographs; nothing for the other stages."""
    source = folder / SOURCE
    if not source.is_file():
        return {}
    return {"photographs": fingerprint.of_photographs(Path(read_json(source)["root"]))}


def other_photographs(folder: Path, manifest: dict[str, Any]) -> str | None:
    """How the photographs differ from those that an audit saw; None where they do not, or nothing is known of them.

    Every photograph is read for it. A folder that is gone is for `faces.load_audit` to name.

    Args:
        folder: `artifacts/<study>/audit`.
        manifest: what `read_manifest` read there.
    """
    seen = manifest.get("photographs")
    if not seen or not Path(read_json(folder / SOURCE)["root"]).is_dir():
        return None
    now = photographs(folder)["photographs"]
    if now == seen:
        return None
    if now["files"] == seen["files"]:
        return "some were changed or exchanged"
    return f"their folder had {seen['files']} files and has {now['files']}"


def report_alterations(study: str, manifest: dict[str, Any]) -> dict[str, str]:
    """`alterations` of the figures, tables and metrics that a stage added to a study's report."""
    return differing(paths.report_folder(study), manifest.get("report", {}))


def differing(folder: Path, known: dict[str, str]) -> dict[str, str]:
    """Which files of a folder are gone or hold other contents than they did; files that are not known do not count.

    Args:
        folder: where they lie.
        known: name to hash.
    """
    found = {name: GONE for name in known if not (folder / name).is_file()}
    there = sorted(known.keys() - found.keys())
    return found | {name: OTHER for name in there if fingerprint.sha256(folder / name) != known[name]}


def alterations(folder: Path, manifest: dict[str, Any]) -> dict[str, str]:
    """What differs between a stage's folder and its manifest.

    Args:
        folder: `artifacts/<study>/<folder>`.
        manifest: what `read_manifest` read there.

    Returns:
        File name to "gone", "other contents" or "not in the manifest"; empty when all is as the stage left it.
    """
    known, found = manifest["files"], files_of(folder)
    differing = {name: GONE for name in known if name not in found}
    same = {name for name in known.keys() & found.keys() if fingerprint.sha256(found[name]) == known[name]}
    differing |= {name: OTHER for name in known if name in found and name not in same}
    return differing | {name: UNKNOWN for name in found if name not in known}


def seal(folder: Path) -> None:
    """Record the hash of every file in a folder of half-done work, a checkpoint say, before it is given its name.

    A stage that is begun again removes a folder whose files are no longer those: its work is then done again.
    """
    hashes = {path.relative_to(folder).as_posix(): fingerprint.sha256(path) for path in _visible(folder)}
    write_json(folder / SEAL, hashes)


def _visible(folder: Path) -> list[Path]:
    """The files of a sealed folder, without its seal."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != SEAL]


def drop_damaged(folder: Path) -> None:
    """Remove half-done work whose files are not those that were sealed, and say so."""
    for record in list(folder.rglob(SEAL)):
        sealed = record.parent
        try:
            known = read_json(record)
        except StudyError:
            known = None
        found = {path.relative_to(sealed).as_posix(): fingerprint.sha256(path) for path in _visible(sealed)}
        if found == known:
            continue
        known = known if isinstance(known, dict) else {}
        names = sorted(name for name in found.keys() | known.keys() if found.get(name) != known.get(name))
        print(f"{sealed.name} is damaged ({', '.join(names[:3]) or SEAL}); it is removed, and its work done again")
        shutil.rmtree(sealed)
