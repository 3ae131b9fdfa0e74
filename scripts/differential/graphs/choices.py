"""Random decisions that can be replayed, and simplified while what they lead to stays the same."""
import functools
import random
from contextlib import contextmanager


class Choices:
    """A sequence of decisions. Every decision is a number below a bound, and 0 is the simplest, so that a shorter or
    smaller sequence leads to a simpler graph: what lies beyond the end of a replayed sequence is 0."""

    def __init__(self, seed=None, replay=None):
        self.random = random.Random(seed)
        self.replay = replay
        self.made = []
        self.spans = []

    def below(self, count):
        index = len(self.made)
        if self.replay is None:
            value = self.random.randrange(count)
        else:
            value = min(self.replay[index], count - 1) if index < len(self.replay) else 0
        self.made.append(value)
        return value

    def pick(self, options):
        return options[self.below(len(options))]

    def chance(self, percent):
        return self.below(100) >= 100 - percent

    @contextmanager
    def span(self):
        """Decisions that belong together, and are dropped together when a failure is simplified."""
        start = len(self.made)
        yield
        self.spans.append((start, len(self.made)))


def spanned(function):
    """A function of a maker whose decisions belong together."""
    @functools.wraps(function)
    def inner(maker, *arguments, **named):
        with maker.choices.span():
            return function(maker, *arguments, **named)
    return inner


def shrink(choices, attempt, budget=400):
    """Simplifies a failing sequence.

    `attempt` takes a sequence and returns the `Choices` that it led to where the failure is still the same, or None.
    """
    best, tried = choices, set()

    def improve(candidate):
        nonlocal best, budget
        key = tuple(candidate)
        if budget <= 0 or key in tried or key == tuple(best.made):
            return False
        tried.add(key)
        budget -= 1
        result = attempt(candidate)
        if result is None or (len(result.made), result.made) >= (len(best.made), best.made):
            return False
        best = result
        return True

    def one_pass():
        for start, end in sorted(best.spans, key=lambda span: span[0] - span[1]):
            if end > start and improve(best.made[:start] + best.made[end:]):
                return True
        for start, end in sorted(best.spans, key=lambda span: span[0] - span[1]):
            # What a span leads to at its simplest may take few decisions.
            for count in (1, 2, 3, end - start):
                if any(best.made[start:end]) and improve(best.made[:start] + [0] * count + best.made[end:]):
                    return True
        changed = False
        for index in range(len(best.made) - 1, -1, -1):
            if index < len(best.made) and best.made[index]:
                for value in {0, best.made[index] // 2}:
                    if improve(best.made[:index] + [value] + best.made[index + 1:]):
                        changed = True
                        break
        return changed

    while budget > 0 and one_pass():
        pass
    return best
