"""Mean of word embeddings and a linear output: the fast text classifier.

Joulin, Grave, Bojanowski and Mikolov, Bag of Tricks for Efficient Text Classification, 2017
(https://arxiv.org/abs/1607.01759).
"""

import torch
from torch import Tensor, nn

from cnnlab.config.ranges import Count, NotNegative, Share
from cnnlab.data.ragged import PADDING
from cnnlab.models.layers import Init, Network, initialise, kernels
from cnnlab.models.text_cnn import TextCNNModule


class FastText(Network):
    """Mean of the tokens' embeddings, then a linear output; padding counts for nothing.

    Takes int64 token ids ``(batch, length)`` below ``vocabulary_size``, gives float ``(batch, outputs)``:
    logits. The order of the tokens does not matter; ``data.ngrams=2`` gives it pairs of words as well.

    Args:
        input_shape: ``(length,)``, tokens in one text.
        outputs: number of outputs.
        vocabulary_size: number of token ids.
        embedding_dim: numbers that stand for one token.
        dropout_words: share of the tokens that a text loses in training (Iyyer et al. 2015).
        dropout: of single numbers of the mean.
        l2: factor of the sum of the output layer's squared kernel, added to the loss.
        init: ``torch``, ``keras`` or ``he``, see :func:`initialise`; the embeddings are uniform within ±0.05.

    Examples:
        >>> net = FastText((400,), 1, vocabulary_size=10_000)
        >>> sum(p.numel() for p in net.parameters()), net(torch.zeros(2, 400, dtype=torch.int64)).shape
        (500051, torch.Size([2, 1]))
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        outputs: int,
        *,
        vocabulary_size: int,
        embedding_dim: Count = 50,
        dropout_words: Share = 0.0,
        dropout: Share = 0.0,
        l2: NotNegative = 0.0,
        init: Init = "torch",
    ) -> None:
        super().__init__()
        self.dropout_words, self.l2 = dropout_words, l2
        self.embedding = nn.EmbeddingBag(vocabulary_size, embedding_dim, mode="mean", padding_idx=PADDING)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(embedding_dim, outputs)
        initialise(self, init)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits ``(batch, outputs)`` of int64 token ids ``(batch, length)``."""
        if self.training and self.dropout_words:
            lost = torch.rand(ids.shape, device=ids.device) < self.dropout_words
            ids = ids.masked_fill(lost, PADDING)
        logits: Tensor = self.output(self.dropout(self.embedding(ids)))
        return logits

    def penalised(self) -> list[tuple[float, Tensor]]:
        """The output layer's kernel with the factor of its squared sum in the loss."""
        return kernels([self.output], self.l2)


class FastTextModule(TextCNNModule):
    """Training of a :class:`FastText`."""

    network_class = FastText
