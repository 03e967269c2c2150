"""An HTML page of tables and figures that link the files their numbers came from."""

import html
import os
import re

import vl_convert

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 Georgia, "Times New Roman", serif; color: #1c1c1c; background: #fff; max-width: 80rem;
       margin: 3rem auto 5rem; padding: 0 1.5rem; }
h1, h2, h3, table, figcaption, caption, nav, details, .note { font-family: Helvetica, Arial, sans-serif; }
h1 { font-size: 1.8rem; margin: 0 0 .3rem; } h2 { font-size: 1.35rem; margin: 3rem 0 .6rem; border-top: 2px solid #1c1c1c;
padding-top: .6rem; } h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
a { color: #1f5fa8; text-decoration: none; } a:hover { text-decoration: underline; }
.table { overflow-x: auto; margin: 1rem 0 1.6rem; }
table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; padding: 0 0 .5rem; color: #444; font-size: .85rem; max-width: 58rem; }
th { font-weight: 600; text-align: left; border-bottom: 1px solid #1c1c1c; vertical-align: bottom; line-height: 1.25; }
th, td { padding: .25rem .9rem .25rem 0; } td { white-space: nowrap; } td { border-bottom: 1px solid #ebebeb; }
th.n, td.n { text-align: right; } tr.first td { border-top: 1px solid #999; } tr.bert td { font-weight: 600; }
td.files, tr.bert td.files { font-size: .72rem; font-weight: normal; white-space: normal; overflow-wrap: anywhere;
                            line-height: 1.3; min-width: 14rem; } p { max-width: 58rem; }
figure { margin: 1.2rem 0 1.8rem; } figure svg { max-width: 100%; height: auto; display: block; overflow: visible; }
figcaption { color: #444; font-size: .85rem; margin-top: .5rem; max-width: 58rem; }
.note { background: #fbf4e2; padding: .7rem 1rem; font-size: .88rem; } .note ul { margin: .3rem 0 0; padding-left: 1.2rem; }
details { font-size: .85rem; margin: .4rem 0; } pre { background: #f6f6f6; padding: .7rem 1rem; overflow-x: auto;
font-size: .78rem; line-height: 1.4; } .lead { color: #444; margin-top: 0; }
"""


class Page:
    """The page under construction, and the folder it and its figures are written into."""

    def __init__(self, run, output):
        self.run, self.output, self.parts = run, output, []

    def add(self, *parts):
        self.parts += parts

    def link(self, path):
        """A link to a file of the run: its place relative to the run's folder."""
        address = os.path.relpath(path, self.output)
        return f'<a href="{html.escape(address)}">{html.escape(os.path.relpath(path, self.run.folder))}</a>'

    def files(self, paths):
        """Links to files of one folder: the place of the first, the names of the others."""
        links = [self.link(path) for path in paths]
        return ", ".join(
            [links[0], *(re.sub(">.*<", f">{path.name}<", link) for path, link in zip(paths[1:], links[1:]))]
        )

    def table(self, caption, header, rows):
        """`header`: (title, whether of numbers); `rows`: (class, cells as HTML)."""
        head = "".join(
            f'<th{" class=n" if number else ""}>{html.escape(title)}</th>' for title, number in header
        )
        body = ""
        for kind, cells in rows:
            body += (
                f'<tr class="{kind}">'
                + "".join(
                    f'<td class="{"n" if number else "files" if title == "files" else ""}">{cell}</td>'
                    for (title, number), cell in zip(header, cells)
                )
                + "</tr>\n"
            )
        self.add(
            f'<div class="table"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
            f"<tbody>\n{body}</tbody></table></div>"
        )

    def figure(self, name, chart, caption):
        """Writes NAME.svg and NAME.png beside the page and puts the figure into it."""
        specification = chart.to_dict()
        svg = vl_convert.vegalite_to_svg(specification)
        (self.output / f"{name}.svg").write_text(svg, encoding="utf-8")
        (self.output / f"{name}.png").write_bytes(vl_convert.vegalite_to_png(specification, scale=2))
        inline = re.sub(
            r'(id="|url\(#|href="#)', rf"\g<1>{name}-", svg[svg.index("<svg") :]
        )  # ids are unique on a page
        inline = inline.replace(
            "<svg", f'<svg role="img" aria-label="{html.escape(re.sub("<[^>]*>", "", caption))}"', 1
        )
        self.add(
            f'<figure>{inline}<figcaption>{caption} <a href="{name}.svg">SVG</a>, <a href="{name}.png">PNG</a>'
            "</figcaption></figure>"
        )

    def write(self):
        title = f"BERTVision: {html.escape(self.run.folder.resolve().name)}"
        text = (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
            + "\n".join(self.parts)
            + "\n</body></html>\n"
        )
        unfinished = self.output / "index.html.partial"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(self.output / "index.html")
