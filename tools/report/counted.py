"""Numbers of things in sentences."""


def counted(number, noun):
    """1 seed, 2 seeds, 1,092 steps, 0.3 epochs. `number`: a whole number (of Python or numpy), or a number as text."""
    text = number if isinstance(number, str) else f"{int(number):,}"
    return f"{text} {noun}{'s' * (text != '1')}"


def such_as(number, example):
    """The end of a sentence about so many things, of which it names one."""
    return f"{', such as' if number > 1 else ':'} {example}."
