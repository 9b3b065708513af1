"""What a site's pages refer to, by a parser, and the committed project as a site, built once per process."""

import importlib.util
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

from kpop_rca.results import site

WITH_REFERENCE = importlib.util.find_spec("pdoc") is not None
LOADED = {"src", "srcset", "poster", "data", "background"}  # attributes by which a browser fetches something


class Reading(HTMLParser):
    """A page's resources, links, ids and images."""

    def __init__(self, page: Path):
        super().__init__()
        self.resources, self.links, self.ids, self.images, self.words = [], [], [], [], 0
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.resources += [given[name] for name in LOADED & given.keys()]
        if tag == "link":
            self.resources.append(given["href"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "img":
            self.images.append(given)


@cache
def built():
    """The folder of the site, and its pages; kept as long as the process."""
    place = TemporaryDirectory()
    folder = Path(place.name) / "below" / "site"
    pages = site.build(folder, reference=WITH_REFERENCE)
    return place, folder, pages
