import pytest
import torch

from cnnlab.config.compose import compose
from cnnlab.errors import UserError
from cnnlab.models.fast_text import FastText
from cnnlab.training.run import build


def network(**settings):
    torch.manual_seed(0)
    return FastText((5,), 2, vocabulary_size=10, embedding_dim=3, **settings)


def test_logits_are_those_of_the_mean_embedding():
    net = network()
    embeddings, kernel, bias = net.embedding.weight, net.output.weight, net.output.bias

    logits = net(torch.tensor([[0, 0, 4, 7, 4]]))

    mean = (2 * embeddings[4] + embeddings[7]) / 3
    torch.testing.assert_close(logits[0], kernel @ mean + bias)


def test_order_and_padding_do_not_matter():
    net = network()
    one, other = net(torch.tensor([[0, 0, 4, 7, 9], [9, 4, 7, 0, 0]]))
    torch.testing.assert_close(one, other)


def test_a_text_without_words_gives_the_bias():
    net = network()
    assert torch.equal(net(torch.zeros(1, 5, dtype=torch.int64))[0], net.output.bias)


def test_words_are_lost_in_training_alone():
    net = network(dropout_words=0.5)
    ids = torch.arange(1, 6).expand(2000, 5)
    assert torch.equal(net.eval()(ids), network().eval()(ids))

    lost = net.train()(ids) == net.output.bias
    # All five words of a text are lost in 1 of 32.
    assert lost.all(1).float().mean().item() == pytest.approx(1 / 32, abs=0.015)


def test_padding_learns_nothing():
    net = network()
    net(torch.tensor([[0, 0, 4, 7, 4]])).sum().backward()
    assert net.embedding.weight.grad[0].abs().sum() == 0
    assert net.embedding.weight.grad[4].abs().sum() > 0


def test_counts_of_words_are_refused():
    with pytest.raises(UserError, match="takes token ids"):
        build(compose(["model=fast_text", "data=imdb", "data.view=counts"]))
