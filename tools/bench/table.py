"""Tables of text for a terminal."""


def text_table(header, rows):
    """Aligned columns: the first to the left, numbers to the right. A header cell may have several lines."""
    lines = [cell.split("\n") for cell in header]
    depth = max(len(cell) for cell in lines)
    top = [["" if row < depth - len(cell) else cell[row - depth + len(cell)] for cell in lines] for row in range(depth)]
    widths = [max(len(row[column]) for row in [*top, *rows]) for column in range(len(header))]

    def line(row):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        return "  ".join(cells).rstrip()

    return "\n".join([*map(line, top), "-" * (sum(widths) + 2 * len(widths) - 2), *map(line, rows)])
