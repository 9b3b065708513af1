"""What in a data folder is a photograph to read, and what all of them are: one answer for the scan and the manifests.

It is asked before every build, and loads nothing.
"""

import errno
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from kpop_rca.avatars.folder import RECORDS
from kpop_rca.system import files

# Pillow reads AVIF and HEIC on some machines only: there they are listed as unreadable, not overlooked.
_KINDS = "jpg jpeg jpe jfif mpo jp2 png webp bmp gif tif tiff ppm pgm avif heic heif"
_RAW_AND_OTHER_KINDS = "dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw raw jxl psd"
_ARCHIVES = "zip rar 7z tar tgz gz bz2 xz zst"
ENDINGS, NOT_DECODED, ARCHIVES = (
    frozenset(f".{kind}" for kind in kinds.split()) for kinds in (_KINDS, _RAW_AND_OTHER_KINDS, _ARCHIVES)
)
# Folders in which storage boxes, operating systems and photograph managers keep thumbnails and what was deleted.
_MACHINES = (
    "@eadir/@tmp/@sharebin/@recycle/@recently-snapshot/#recycle/#snapshot/~snapshot/$recycle.bin/recycler/found.000/"
    "system volume information/lost+found/__macosx/thumbs/thumbnails/_thumbs/_thumbnails"
)
MACHINES = frozenset(_MACHINES.split("/"))
SYSTEM_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))  # not even listed
NOT_DOWNLOADED = ".icloud"  # at the end of the hidden name that stands for a photograph

LINK_OUT = "link out of the data folder"
LINK_TO_FOLDER = "link to a folder"
LINK_IN_A_CIRCLE = "link in a circle"
LINK_TO_NOTHING = "link to nothing"
UNOPENED = "folder that cannot be opened"
NO_TEXT = "name that is not UTF-8; rename it"
ARCHIVE = "archive; unpack it"
UNKNOWN_KIND = "photograph of a kind that is not read; save it as JPEG or PNG"
IN_THE_CLOUD = "photograph that is not on this disk; download it"
OF_A_MACHINE = "folder of thumbnails, of what was deleted, or of a system"
NO_ENDING = "file without an image's ending"
# What may stand for photographs that somebody misses, and what helps; the rest is only listed.
REMEDIES = {
    "links that are not followed": (
        (LINK_OUT, LINK_TO_FOLDER),
        "copy the folder with cp -rL, which replaces each link by what it points to, and set data_root to the copy",
    ),
    "links that lead nowhere": ((LINK_IN_A_CIRCLE, LINK_TO_NOTHING), "remove or repair them"),
    "folders that cannot be opened": ((UNOPENED,), "get permission to read them (chmod u+rx)"),
    "names that are not UTF-8": ((NO_TEXT,), "rename them"),
    "archives": ((ARCHIVE,), "unpack them"),
    "photographs of a kind that is not read": ((UNKNOWN_KIND,), "save them as JPEG or PNG"),
    "photographs that are not on this disk": ((IN_THE_CLOUD,), "download them"),
}
HASHING_THREADS = 4
SHOWN = 5  # names of each kind; the others are counted


class Found(NamedTuple):
    """What lies below a data folder: the parts of each photograph's path, and (path, reason) of everything else."""

    photographs: list[tuple[str, ...]]
    others: list[tuple[str, str]]


def found_in(root: Path) -> Found:
    """What lies below a data folder, found without following links to folders or opening a file.

    Hidden files and folders and the records of file managers are passed over without a word.
    """
    root, photographs, others = root.resolve(), [], []

    def pass_over(path: str | Path, reason: str) -> None:
        name = Path(path).relative_to(root).as_posix()
        others.append((name.encode(errors="backslashreplace").decode(), reason))

    def unopened(error: OSError) -> None:
        pass_over(error.filename, f"{UNOPENED}: {error.strerror}")

    for parent, folders, names in os.walk(root, onerror=unopened):
        linked = [name for name in folders if Path(parent, name).is_symlink()]  # which os.walk does not enter
        to_enter = {name for name in folders if _reason_of_name(name, is_folder=True) == ""}.difference(linked)
        for name in sorted([*names, *(name for name in folders if name not in to_enter)]):
            file, reason = Path(parent, name), _reason_of_name(name, is_folder=name in folders)
            reason = _reason_of_file(file, root=root) if reason == "" else reason
            if reason:
                pass_over(file, reason)
            elif reason == "":
                photographs.append(file.relative_to(root).parts)
        folders[:] = sorted(to_enter)
    return Found(photographs, others)


def _reason_of_name(name: str, *, is_folder: bool) -> str | None:
    """What a name alone says against a file or folder: "" for nothing, None for what is not even listed."""
    lower = name.lower()
    if name.startswith("."):
        return IN_THE_CLOUD if lower.endswith(NOT_DOWNLOADED) else None
    try:
        name.encode()
    except UnicodeEncodeError:
        return NO_TEXT
    if is_folder and lower in MACHINES:
        return OF_A_MACHINE
    return None if lower in SYSTEM_FILES else ""


def _reason_of_file(file: Path, *, root: Path) -> str:
    """Why a file, or a link, is no image to be read; "" where nothing speaks against it."""
    try:
        status = file.lstat()
        if stat.S_ISLNK(status.st_mode):
            if not file.resolve().is_relative_to(root):
                return LINK_OUT
            status = file.stat()
            if stat.S_ISDIR(status.st_mode):
                return LINK_TO_FOLDER
    except (OSError, RuntimeError) as error:
        return LINK_IN_A_CIRCLE if getattr(error, "errno", errno.ELOOP) == errno.ELOOP else LINK_TO_NOTHING
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    ending = file.suffix.lower()
    known = {ARCHIVE: ARCHIVES, UNKNOWN_KIND: NOT_DECODED}
    return "" if ending in ENDINGS else next((why for why, of in known.items() if ending in of), NO_ENDING)


def may_hold_images(folder: Path) -> bool:
    """Whether it is a folder that is entered: no link, not hidden, none of a machine's."""
    return _reason_of_name(folder.name, is_folder=True) == "" and folder.is_dir() and not folder.is_symlink()


def missed(others: list[tuple[str, str]]) -> str:
    """One line on what of `Found.others` may stand for photographs: how many of each kind, the first, what helps."""
    parts = []
    for kind, (reasons, remedy) in REMEDIES.items():
        names = sorted(name for name, reason in others if reason.startswith(reasons))
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            parts.append(f"{kind} ({len(names)}: {', '.join(map(repr, names[:SHOWN]))}{more}): {remedy}")
    return "; ".join(parts)


def fingerprint(root: Path) -> str:
    """How many photographs lie below a data folder, and a hash of their names and contents: "12 files, 0123…".

    What no stage reads does not count: hidden files and folders, links out of the folder, files that are no images.
    """
    drawn = [(name,) for name in RECORDS if (root / name).is_file() and not (root / name).is_symlink()]
    found = sorted([*found_in(root).photographs, *drawn])
    with ThreadPoolExecutor(max_workers=HASHING_THREADS) as pool:  # hashing and reading release the interpreter's lock
        hashes = pool.map(_contents, [root.joinpath(*parts) for parts in found])
    said = [f"{'/'.join(parts)} {checksum}" for parts, checksum in zip(found, hashes, strict=True)]
    # A file's name may be bytes that are no text.
    contents = hashlib.sha256("\0".join(said).encode(errors="surrogateescape")).hexdigest()[:16]
    return f"{len(found)} files, {contents}"


def _contents(path: Path) -> str:
    """Hash of a file's bytes; of a file that may not be read, that it may not."""
    try:
        return files.sha256(path)
    except OSError:
        return "not to be read"
