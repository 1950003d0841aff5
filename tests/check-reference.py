#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What gi-docgen made. TAP.

usage: check-reference.py FOLDER DOCS GIR
"""
import glob
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from urllib.parse import unquote

CORE = "{http://www.gtk.org/introspection/core/1.0}"


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.images, self.text = set(), [], [], ""
        with open(path, encoding="utf-8") as file:
            self.feed(file.read())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        self.links += [attributes[name] for name in ("href", "src") if attributes.get(name)]
        if tag == "img":
            self.images.append(attributes["src"])

    def handle_data(self, data):
        self.text += data


def broken(pages, folder, docs, namespace):
    """Links, within the reference, that lead nowhere."""
    n = 0
    for name, page in pages.items():
        for link in page.links:
            path, _, place = link.partition("#")
            target = unquote(path) or name
            if re.match(r"[a-z]+:", link):
                continue
            n += 1
            if not os.path.exists(os.path.join(folder, target)) or (place and target in pages and unquote(place) not in pages[target].ids):
                yield "%s: %s" % (name, link)
    if n < 10000:
        yield "only %d links were looked at" % n


def without_page(pages, folder, docs, namespace):
    """Pages of docs/ that the reference has not, under their title, in its list."""
    for path in sorted(glob.glob(os.path.join(docs, "*.md"))):
        name = os.path.basename(path).replace(".md", ".html")
        with open(path, encoding="utf-8") as file:
            heading = file.readline().removeprefix("# ").strip()
        if name not in pages:
            yield "%s is not in content_files of reformer.toml" % os.path.basename(path)
        elif name not in pages["index.html"].links or heading not in pages["index.html"].text:
            yield "%s is not in the list of pages" % name


def without_picture(pages, folder, docs, namespace):
    """Pictures of docs/ that no page shows."""
    shown = {image for page in pages.values() for image in page.images}
    return [os.path.basename(path) for path in glob.glob(os.path.join(docs, "*.svg")) if os.path.basename(path) not in shown]


def without_text(pages, folder, docs, namespace):
    """Classes whose page does not say in a sentence what they are."""
    for each in namespace.findall(CORE + "class"):
        first = each.find(CORE + "doc").text.split("\n\n")[0]
        if len(first) < 25 or not first.rstrip().endswith((".", ":")):
            yield "%s: %s" % (each.get("name"), first)


def main(folder, docs, gir):
    pages = {os.path.basename(path): Page(path) for path in glob.glob(os.path.join(folder, "*.html"))}
    namespace = ElementTree.parse(gir).getroot().find(CORE + "namespace")
    failed = 0
    checks = [broken, without_page, without_picture, without_text]
    print("1..%d" % len(checks))
    for number, check in enumerate(checks, 1):
        problems = list(check(pages, folder, docs, namespace))
        failed += bool(problems)
        print("%sok %d /reference/%s" % ("not " if problems else "", number, check.__name__.replace("_", "-")))
        for problem in problems[:50]:
            print("# " + problem)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
