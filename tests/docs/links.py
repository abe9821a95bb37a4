#!/usr/bin/env python3
"""Whether each link of the site's pages leads somewhere, from its first page on: links.py build/release/site/html"""
import html
import pathlib
import re
import sys
import urllib.parse

site = pathlib.Path(sys.argv[1])
if not (site / "index.html").is_file():
    sys.exit(f"{site} has no pages; make them first: cmake --build build/release --target site")


class Page:
    def __init__(self, name):
        text = (site / name).read_text(errors="replace")
        self.links = [html.unescape(link) for link in re.findall(r'(?:href|src)="([^"]+)"', text)]
        self.names = set(re.findall(r'(?:id|name)="([^"]+)"', text))


pages = {"index.html": Page("index.html")}
waiting = ["index.html", *sorted(page.name for page in site.glob("md_*.html"))]  # those of docs/ stand in a menu that a script makes
pages.update((name, Page(name)) for name in waiting)
broken = []
while waiting:
    page = waiting.pop()
    for link in pages[page].links:
        file, _, name = urllib.parse.unquote(link).partition("#")
        if re.match(r"(https?|javascript|mailto|data):", file):
            continue
        if not file and name.startswith("index_"):
            continue  # a letter of Doxygen's own indexes: 1.17 links to some that do not stand there
        file = file or page
        if file.endswith(".html") and file not in pages and (site / file).is_file():
            pages[file] = Page(file)
            waiting.append(file)
        if not (site / file).exists() or (name and file in pages and name not in pages[file].names):
            broken.append(f"{page}: there is no {link}; is it in docs/Doxyfile.in, and does docs/doxygen_filter.pl make the link?")
print("\n".join(broken) or f"{len(pages)} pages, every link leads somewhere")
sys.exit(bool(broken))
