"""Labeled Faces in the Wild (Huang et al. 2007), through scikit-learn's downloader."""

import shutil
from pathlib import Path

from kpop_rca.system import files
from kpop_rca.study import fingerprint
from kpop_rca.errors import StudyError

# Of lfw-funneled.tgz, as scikit-learn checks it when it downloads the file; one that lies there it unpacks unseen.
SHA256 = "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a"


def download(root: Path | str) -> Path:
    """The data folder of LFW (funneled, 13,233 photographs of 250 px, about 230 MB), downloaded unless it is there.

    Raises:
        StudyError: the download cannot be reached, or there is no room for it; says what to do instead.
    """
    from sklearn.datasets import fetch_lfw_people  # not above: no other source needs it

    root = Path(root)
    folder = root / "lfw_home" / "lfw_funneled"
    archive = folder.with_name("lfw-funneled.tgz")
    if archive.exists():  # removed last: an unpacking that was cut short
        shutil.rmtree(folder, ignore_errors=True)
        if files.sha256(archive) != SHA256:
            archive.unlink()  # nothing is unpacked but the published archive
    try:
        with files.writing(root):
            # It also loads what it downloads; one person at a tenth of the size is the least that it loads.
            fetch_lfw_people(data_home=root, min_faces_per_person=500, resize=0.1, n_retries=1)
    except OSError as error:  # URLError and HTTPError too
        raise StudyError(
            f"LFW could not be downloaded to {root} ({error}).\n"
            "Get it elsewhere, set data_source to folder and data_root to where each person has a folder."
        ) from None
    return folder
