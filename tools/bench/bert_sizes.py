"""The sizes of a BERT, and the numbers that follow from them: trained parameters, products, floating-point operations."""

import json
from pathlib import Path
from typing import NamedTuple


class BertSizes(NamedTuple):
    """The sizes, with the names of a Hugging Face folder's config.json."""

    hidden_size: int
    num_hidden_layers: int
    intermediate_size: int
    vocab_size: int = 30522
    max_position_embeddings: int = 512
    type_vocab_size: int = 2

    @classmethod
    def of_folder(cls, folder):
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        return cls(*(config[name] for name in cls._fields))

    def linear_shapes(self):
        """(outputs, inputs) of each linear layer in one encoder layer; query, key and value are one linear layer."""
        h, i = self.hidden_size, self.intermediate_size
        return [(3 * h, h), (h, h), (i, h), (h, i)]

    def gradient_elements(self):
        """Trained parameters of the span task in the order in which the backward pass completes their gradients.

        The head, the encoder layers from the last to the first, the embeddings. The pooler is not trained.
        """
        h = self.hidden_size
        products = sum(outputs * inputs + outputs for outputs, inputs in self.linear_shapes())
        rows = self.vocab_size + self.max_position_embeddings + self.type_vocab_size
        return [2 * h + 2, *[products + 4 * h] * self.num_hidden_layers, rows * h + 2 * h]

    def gradient_bytes(self):
        """The bytes of all gradients together, in float32."""
        return 4 * sum(self.gradient_elements())

    def training_flop(self, attended):
        """Floating-point operations to train on one token that attends to `attended` tokens (a mean may be given).

        Forward 2 for each weight of a linear layer, and 2 H for each token attended to, twice (scores, then values);
        the backward pass takes twice that. All else is left out.
        """
        weights = sum(outputs * inputs for outputs, inputs in self.linear_shapes())
        return 6 * self.num_hidden_layers * (weights + 2 * self.hidden_size * attended)


BERT_LARGE = BertSizes(hidden_size=1024, num_hidden_layers=24, intermediate_size=4096)
