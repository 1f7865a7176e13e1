"""Baselines by counting: n-grams, each order interpolated with the one below (Witten and Bell 1991)."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

Symbol = Hashable
BEGIN = "begin"  # stands before the first symbol of a sequence


class Markov:
    """A model of the next symbol given the `order` symbols before it; order 0 is the unigram.

    Args:
        sequences: of symbols, each with its end symbol, if any.
        order: number of symbols that are remembered.
        size: of the alphabet; symbols that were never seen share a uniform distribution over it.
    """

    def __init__(self, sequences: Iterable[Sequence[Symbol]], order: int, size: int):
        self.order, self.size = order, size
        self.counts: list[dict[tuple, Counter]] = [defaultdict(Counter) for _ in range(order + 1)]
        for sequence in sequences:
            padded = [BEGIN] * order + list(sequence)
            for place in range(order, len(padded)):
                for length in range(order + 1):
                    self.counts[length][tuple(padded[place - length : place])][padded[place]] += 1

    def probability(self, context: Sequence[Symbol], symbol: Symbol) -> float:
        """The probability of `symbol` after `context`, which has `order` symbols."""
        share = 1 / self.size
        for length in range(self.order + 1):
            counter = self.counts[length].get(tuple(context[len(context) - length :]))
            if counter is None:
                break
            total, kinds = counter.total(), len(counter)
            share = (counter[symbol] + kinds * share) / (total + kinds)
        return share

    def nll(self, sequence: Sequence[Symbol]) -> float:
        """The negative log-likelihood of a sequence, in nats."""
        padded = [BEGIN] * self.order + list(sequence)
        places = range(self.order, len(padded))
        return float(-sum(np.log(self.probability(padded[p - self.order : p], padded[p])) for p in places))

    def sample(self, length: int, rng: np.random.Generator, ends: Iterable[Symbol] = ()) -> list[Symbol]:
        """Draw `length` symbols, none of which is in `ends`.

        Raises:
            ValueError: no other symbols were counted.
        """
        drawn: list[Symbol] = []
        context, excluded = [BEGIN] * self.order, set(ends)
        for _ in range(length):
            drawn.append(self._next(context, rng, excluded))
            context = [*context, drawn[-1]][1:] if self.order else []
        return drawn

    def _next(self, context: Sequence[Symbol], rng: np.random.Generator, excluded: set[Symbol]) -> Symbol:
        """Draw a symbol; an order passes on to the next shorter one with its share of unseen symbols."""
        for length in range(self.order, -1, -1):
            counter = self.counts[length].get(tuple(context[len(context) - length :]))
            known = {s: n for s, n in (counter or {}).items() if s not in excluded}
            if not known:
                continue
            total, kinds = sum(known.values()), len(known)
            if length and rng.random() < kinds / (total + kinds):
                continue
            symbols = list(known)
            return symbols[rng.choice(len(symbols), p=np.array(list(known.values())) / total)]
        raise ValueError("nothing was counted")
