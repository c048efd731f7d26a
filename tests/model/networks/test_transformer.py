"""Tokens are the softmax of eq. 13; all implementations of attention agree."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.transformer import LOGIT_LIMIT, Tokenizer, attend, attend_few, attend_many


def test_tokens_are_a_softmax_over_the_window_with_a_bias() -> None:
    torch.manual_seed(1)
    tokenizer = Tokenizer(12, 64, tokens=4, patch=9)
    nn.init.normal_(tokenizer.bias_row)
    nn.init.normal_(tokenizer.bias_col)
    x = torch.randn(3, 12, 9, 9)
    a = LOGIT_LIMIT * torch.tanh(tokenizer.attend(x) / LOGIT_LIMIT)
    bias = tokenizer.bias_row[:, :, None] + tokenizer.bias_col[:, None, :]
    weight = F.softmax((a + bias).flatten(2), dim=-1)  # (B, k, 81)
    expected = weight @ tokenizer.value(x).flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokenizer.gather(tokenizer.weigh(x), range(1), 1), expected.permute(2, 1, 0))


@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (1, 4), (3, 81)])
def test_all_implementations_of_attention_agree(queries: int, keys: int) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(64, n, 23) for n in (queries, keys, keys))
    expected = attend_many(q, k, v, 8)
    torch.testing.assert_close(attend_few(q, k, v, 8), expected, atol=1e-5, rtol=1e-5)
    common = torch.randn(64, 1, 1), torch.randn(64, 1, 1)
    with torch.no_grad():  # compiled for few keys
        torch.testing.assert_close(attend(q, k, v, 8), expected, atol=1e-5, rtol=1e-5)
        longer = [torch.cat([own.expand(-1, -1, 23), x], dim=1) for own, x in zip(common, (k, v), strict=True)]
        torch.testing.assert_close(attend(q, k, v, 8, common), attend_many(q, *longer, 8), atol=1e-5, rtol=1e-5)
