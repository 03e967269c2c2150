"""The report under construction: its sections in the order of the page."""

from page_parts import Section

HOW_TO_READ_FIGURES = (
    "Point at a mark to see its values. If an axis has numbers, turning the wheel with the shift key held zooms, dragging with the shift "
    "key held moves, and a double click resets. Above the figures of a task you can choose models and checkpoints."
)
TASK_TITLES = {"span": "Span task", "classification": "Classification task"}


class Report:
    def __init__(self, run):
        self.run = run
        self.title = run.folder.resolve().name
        self.missing, self.wrong = run.missing, run.wrong
        self.explorers = {"texts": {}, "tasks": []}  # data of the explorer of learning history (explorer.py)
        self.answer = Section("answer", "The answer")
        self.drawn = Section("figures", "Figures")
        self.explorer = Section("explorer", "Explorer of learning history")
        self.listed = Section("tables", "Tables")
        self.published = Section("published", "Did it reproduce the paper?")
        self.cost = Section("cost", "Progress and cost")
        self.sections = [self.answer, self.drawn, self.explorer, self.listed, self.published, self.cost]

    def figure(self, task, figure):
        if figure.spec:
            self.drawn.lead = HOW_TO_READ_FIGURES
            self.drawn.named(TASK_TITLES[task], task).figures.append(figure)

    def table(self, task, table):
        if table.rows:
            self.listed.named(TASK_TITLES[task], task).tables.append(table)

    def figures(self):
        return [figure for section in self.sections for part in section.parts for figure in part.figures]

    def tables(self):
        return [table for section in self.sections for part in section.parts for table in part.tables]
