r"""Short messages by satellite: segments, what one card may send, cards and shares of the system.

A message of b bits goes in :math:`\lceil b / B \rceil` segments of at most B bits. A card may send
one segment in each interval T, so a post that answers m segments an hour needs
:math:`\lceil m\,T / 3600 \rceil` cards, and a terminal that reports r times an hour keeps within
its own card where :math:`r\,s\,T \le 3600`.

Left out: lost segments and their repetition (the published share of success is above 99 %), the
order in which a full channel serves, messages between regions.

References
----------
BeiDou Navigation Satellite System, open service documents of CSNO (regional short messages of up
to 14,000 bits over three GEO; 12 million an hour up, 6 million down).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.models.queue import _number

__all__ = ["MessageBudget", "message_budget", "reply_cards"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SECONDS_PER_H = 3600.0


class MessageBudget(NamedTuple):
    """What terminals ask of the short-message service, one entry for each kind of terminal.

    Attributes
    ----------
    segments : (n,) int64
        Of each message.
    segments_per_h : (n,) float64
        Of all terminals of the kind.
    card_ratio : (n,) float64
        What a terminal sends over what its card may send; above 1 it cannot.
    uplink_ratio : float
        All segments over what the system takes up in an hour.
    """

    segments: IntArray
    segments_per_h: FloatArray
    card_ratio: FloatArray
    uplink_ratio: float


def message_budget(
    terminals: ArrayLike,
    messages_per_h: ArrayLike,
    message_bit: ArrayLike,
    *,
    segment_bit: float = 14_000.0,
    card_interval_s: float = 60.0,
    uplink_per_h: float = 12e6,
) -> MessageBudget:
    """Return the load of terminals on their cards and on the system.

    Parameters
    ----------
    terminals : (n,) array
        Terminals of each kind, >= 0.
    messages_per_h : (n,) array
        Of one terminal, >= 0.
    message_bit : (n,) array
        Bits of one message, > 0.
    segment_bit : float
        Most bits of one segment.
    card_interval_s : float
        Least time between two segments of one card.
    uplink_per_h : float
        Segments that the system, or the part of it taken here, takes up in an hour.

    Returns
    -------
    MessageBudget

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> told = message_budget([1000.0], [2.0], [20_000.0])
    >>> told.segments.tolist(), told.segments_per_h.tolist(), round(float(told.card_ratio[0]), 4)
    ([2], [4000.0], 0.0667)
    """
    n, rate, bits = np.broadcast_arrays(
        np.atleast_1d(_number("terminals", terminals, least=0.0)),
        np.atleast_1d(_number("messages_per_h", messages_per_h, least=0.0)),
        np.atleast_1d(_number("message_bit", message_bit, above=0.0)),
    )
    for name, value in (
        ("segment_bit", segment_bit),
        ("card_interval_s", card_interval_s),
        ("uplink_per_h", uplink_per_h),
    ):
        _number(name, value, above=0.0)
    segments = np.ceil(bits / segment_bit).astype(np.int64)
    each = rate * segments
    total = n * each
    use = np.asarray(each * (card_interval_s / SECONDS_PER_H), np.float64)
    return MessageBudget(
        segments, np.asarray(total, np.float64), use, float(total.sum() / uplink_per_h)
    )


def reply_cards(
    terminals: ArrayLike,
    segments_per_h: float,
    *,
    reply_ratio: float,
    card_interval_s: float,
    cards_max: ArrayLike,
) -> tuple[IntArray, FloatArray, NDArray[np.bool_]]:
    """Return the cards with which each post answers the terminals of its area.

    Parameters
    ----------
    terminals : (n,) array
        Terminals of each post's area, >= 0.
    segments_per_h : float
        Of one terminal, >= 0.
    reply_ratio : float
        Answers for each segment, >= 0.
    card_interval_s : float
        Least time between two segments of one card, > 0.
    cards_max : (n,) array of int
        Most cards of a post, >= 1.

    Returns
    -------
    cards : (n,) int64
        At least one.
    use_ratio : (n,) float64
        Answers over what the cards may send.
    is_overloaded : (n,) bool

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> cards, use, over = reply_cards(
    ...     [100.0, 9000.0], 2.0, reply_ratio=0.5, card_interval_s=60.0, cards_max=20)
    >>> cards.tolist(), over.tolist()
    ([2, 20], [False, True])
    """
    n = np.atleast_1d(_number("terminals", terminals, least=0.0))
    _number("segments_per_h", segments_per_h, least=0.0)
    _number("reply_ratio", reply_ratio, least=0.0)
    _number("card_interval_s", card_interval_s, above=0.0)
    most = np.broadcast_to(np.asarray(cards_max, np.int64), n.shape)
    if not (most >= 1).all():
        raise ValueError(f"cards_max must be >= 1; got {most.min()}")
    asked = n * segments_per_h * reply_ratio * card_interval_s / SECONDS_PER_H
    need = np.maximum(np.ceil(asked - 1e-9), 1).astype(np.int64)
    cards = np.minimum(need, most)
    return cards, asked / cards, np.asarray(need > most)
