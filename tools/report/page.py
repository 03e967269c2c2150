"""Writes the page: one HTML file that carries all its programs and data, and the files beside it."""

import os
import re
from importlib.resources import files
from pathlib import Path

import jinja2
import vl_convert
from counted import counted
from explorer import packed_json
from export import report_json, write_files
from page_parts import cell_text, sort_value
from provenance import Provenance, address_of

DIGITS = 6
TEMPLATES = Path(__file__).parent / "templates"


def vega_bundle():
    """Vega, Vega-Lite and Vega-Embed as vl-convert carries them: window.vegaEmbed. It takes seconds to put them together, so
    that the user's cache folder keeps them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bertvision"
    kept = cache / f"vega-{vl_convert.__version__}.js"
    try:
        return kept.read_text(encoding="utf-8")
    except OSError:
        made = vl_convert.javascript_bundle()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        write_whole(kept, made, f".{os.getpid()}.partial")
    except OSError:
        pass  # a folder that cannot be written costs seconds, no page
    return made


def table_bundle():
    """DataTables with its style as the package itables carries it: window.DataTable."""
    folder = files("itables") / "html"
    script = (folder / "dt_bundle.js").read_text(encoding="utf-8")
    found = re.search(r"export\s*\{[^}]*?([\w$]+) as default[^}]*\};?", script)
    if not found:
        raise RuntimeError("itables' dt_bundle.js has no default export: another version than tools/requirements.txt names?")
    script = script[: found.start()] + f"window.DataTable={found[1]};" + script[found.end() :]
    return f"(()=>{{{script}\n}})();", (folder / "dt_bundle.css").read_text(encoding="utf-8")


def script_text(script):
    """A program in the form that a script element may hold: the first "</script" or "<!--" would end or change the element."""
    script = re.sub(r"</(?=script)", r"<\\/", script, flags=re.IGNORECASE)
    return script.replace("<!--", r"<\!--")


def shortened(value):
    """Numbers with DIGITS digits: a reader sees three or four of them."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    return [shortened(inner) for inner in value] if isinstance(value, list | tuple) else value


def environment():
    """Escapes everything that a template shows, unless it is one of our own files."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(cell_text=cell_text, counted=counted, sort_value=lambda cell: shortened(sort_value(cell)))
    return made


def own(name):
    return (TEMPLATES / name).read_text(encoding="utf-8")


def write_page(report, output, made_by, with_files):
    """index.html, report.json and, where it is wanted, the folder `files` in the folder `output`."""
    output.mkdir(parents=True, exist_ok=True)
    if with_files:
        write_files(report, output / "files")
    table_script, table_style = table_bundle()
    text = (
        environment()
        .get_template("page.html")
        .render(
            report=report,
            provenance=Provenance(report, output),
            figures=packed_json(shortened({figure.name: figure.spec for figure in report.figures()})),
            with_files=with_files,
            explorers=report.explorers,
            configurations=report.run.configs,
            made_by=made_by,
            link=lambda path: address_of(path, output),
            styles=[table_style, own("style.css")],
            libraries=[script_text(vega_bundle()), script_text(table_script)],
            programs=[script_text(own(name)) for name in ("figures.js", "tables.js", "data.js", "explorer.js", "start.js")],
        )
    )
    write_whole(output / "report.json", report_json(report, report.run.folder))
    write_whole(output / "index.html", text)


def write_whole(path, text, suffix=".partial"):
    """Written aside and renamed: a reader never sees half of it."""
    unfinished = path.with_name(path.name + suffix)
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
