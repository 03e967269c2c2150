"""The parts of the page: sections of text, tables and figures, before they are HTML, files or JSON."""

from dataclasses import dataclass, field


@dataclass
class Spread:
    """A figure over results, mostly of a seed each: mean, standard deviation (None for one result) and the number of results."""

    mean: float
    deviation: float | None
    results: int


@dataclass
class Difference:
    """A difference with its interval and the verdict on it."""

    value: float
    low: float
    high: float
    verdict: str = ""
    signed: bool = True  # False: a score of its own, with its interval


@dataclass
class Shown:
    """A text that is sorted by something else: an epoch such as 1/3."""

    text: str
    order: float


@dataclass
class Column:
    title: str
    digits: int | None = None  # of numbers; None for text and whole numbers
    about: str = ""  # shown where the pointer or the focus is on the title
    signed: bool = False
    number: bool = True
    hidden: bool = False  # until the reader asks for it
    least: float | None = None  # people read "< 0.001" for smaller numbers; files have them as they are


def words(title, about=""):
    """A column of words."""
    return Column(title, number=False, about=about)


@dataclass
class Row:
    """Cells: None, text, numbers, Spread or Difference. `seeds` are rows of the seeds that it is the mean of."""

    cells: list
    kind: str = ""
    source: list = field(default_factory=list)  # results whose files the row comes from
    seeds: list["Row"] = field(default_factory=list)


@dataclass
class Table:
    name: str  # of its files, and its id on the page
    title: str
    caption: str
    columns: list[Column]
    rows: list[Row]
    shown: int | None = None  # rows on the page, where the files have more
    on_page: str = ""  # words that follow the caption on the page alone
    folded: bool = False  # on the page a reader opens it first


@dataclass
class Figure:
    name: str
    title: str
    caption: str
    spec: dict  # Vega-Lite
    table: str = ""  # name of the table with its numbers


@dataclass
class Part:
    """A heading of its own within a section: a task, mostly."""

    title: str
    task: str = ""
    sentences: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass
class Section:
    name: str
    title: str
    lead: str = ""
    parts: list[Part] = field(default_factory=list)

    def named(self, title, task=""):
        """The part with this title; it is made if there is none."""
        for part in self.parts:
            if part.title == title:
                return part
        self.parts.append(Part(title, task))
        return self.parts[-1]


def number_text(value, column):
    """A number as people read it, with a true minus sign."""
    sign = "+" if column.signed else ""
    if isinstance(value, int):
        return f"{value:{sign},}".replace("-", "−")
    if column.least is not None and value < column.least:
        return f"< {column.least}"
    text = f"{value:{sign},.{2 if column.digits is None else column.digits}f}"
    if not any(digit in "123456789" for digit in text):
        text = text.lstrip("+-")  # zero has no sign
    return text.replace("-", "−")


def cell_text(cell, column):
    """A cell as people read it."""
    if cell is None:
        return "–"
    if isinstance(cell, Spread):
        mean = number_text(cell.mean, column)
        return mean if cell.deviation is None else f"{mean} ± {number_text(cell.deviation, Column('', column.digits))}"
    if isinstance(cell, Difference):
        signed = Column("", column.digits, signed=cell.signed)
        text = f"{number_text(cell.value, signed)} ({number_text(cell.low, signed)} to {number_text(cell.high, signed)})"
        return f"{text} {cell.verdict}".rstrip()
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return number_text(cell, column)
    return cell.text if isinstance(cell, Shown) else str(cell)


def sort_value(cell):
    """The value by which a cell is sorted."""
    if isinstance(cell, Spread):
        return cell.mean
    if isinstance(cell, Difference):
        return cell.value
    return cell.order if isinstance(cell, Shown) else cell
