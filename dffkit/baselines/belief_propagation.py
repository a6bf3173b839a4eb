"""Discrete optical flow as a Markov random field on two layers, minimized by min-sum belief propagation.

Every pixel has two labels, its displacement along x and along y. The x labels and the y labels form two layers. In a
layer each pixel has four neighbours, and a difference between neighbours costs something; the data term of a pixel,
the cost of matching it at a displacement, ties its two labels. So a message within a layer costs O(L) for L labels (a
distance transform) and one between the layers O(L^2), where a single grid of pairs of labels would need O(L^4). This
is the optimizer of SIFT Flow (Liu et al., PAMI 2011), written afresh, without its start from a field at half the size.

Label a of a pixel is the displacement `centre + a - window`, a = 0 .. 2 * window: each pixel has its own window.
"""

import numpy as np

from dffkit.support.machine import compiled

LEFT, ABOVE, RIGHT, BELOW = range(4)  # the neighbour that a message comes from


def minimize(
    costs: np.ndarray, centre: np.ndarray, *, alpha: float, truncation: float, gamma: float, iterations: int
) -> np.ndarray:
    """Find displacements with a low sum of data, smoothness and smallness terms.

    The energy is the sum over pixels of `costs` at their labels and of `gamma * (|x| + |y|)`, and over neighbours
    p and q of `min(alpha * |x_p - x_q|, truncation)`, and the same for y.

    Args:
        costs: `(H, W, L, L)` float32, the cost of a pixel's x label (third index) and y label (fourth); L is odd.
        centre: `(2, H, W)` int64, the displacement in the middle of each pixel's window, x then y, in pixels.
        alpha: cost of each pixel of difference between neighbours.
        truncation: largest cost of a difference.
        gamma: cost of each pixel of displacement.
        iterations: number of sweeps, by turns over x and over y, two forwards and two backwards.

    Returns:
        `(2, H, W)` int64 displacements in pixels.
    """
    height, width, labels, _ = costs.shape
    steps = np.arange(labels) - labels // 2
    smallness = (gamma * np.abs(centre[..., None] + steps)).astype(np.float32)  # (2, H, W, L)
    messages = np.zeros((2, height, width, 4, labels), np.float32)  # within the layers
    ties = np.zeros((2, height, width, labels), np.float32)  # from the other layer
    both = costs, np.ascontiguousarray(costs.swapaxes(2, 3))  # own label first
    for iteration in range(iterations):
        own = iteration % 2
        sweep(
            messages[own], ties[own], smallness[own], centre[own], messages[1 - own], smallness[1 - own], both[own],
            np.float32(alpha), np.float32(truncation), iteration % 4 < 2,
        )  # fmt: skip
    beliefs = smallness + ties + messages.sum(3)
    return centre + beliefs.argmin(3) - labels // 2


@compiled
def sweep(messages, ties, smallness, centre, other_messages, other_smallness, costs, alpha, truncation, forward):
    """Update a layer pixel by pixel: take the other layer's message, then send messages to two neighbours, right and
    below if `forward`, else left and above. The data term comes before the first message, or no motion locks in.
    """
    height, width, labels = ties.shape
    total, other = np.empty(labels, np.float32), np.empty(labels, np.float32)
    receivers = (RIGHT, BELOW) if forward else (LEFT, ABOVE)
    for row in range(height):
        y = row if forward else height - 1 - row
        for column in range(width):
            x = column if forward else width - 1 - column
            for a in range(labels):
                other[a] = other_smallness[y, x, a]
                for k in range(4):
                    other[a] += other_messages[y, x, k, a]
            message_between_layers(other, costs[y, x], ties[y, x])
            for a in range(labels):
                total[a] = smallness[y, x, a] + ties[y, x, a]
                for k in range(4):
                    total[a] += messages[y, x, k, a]
            for to in receivers:
                to_x = x + (1 if to == RIGHT else -1 if to == LEFT else 0)
                to_y = y + (1 if to == BELOW else -1 if to == ABOVE else 0)
                if 0 <= to_x < width and 0 <= to_y < height:
                    shift = centre[to_y, to_x] - centre[y, x]
                    message = messages[to_y, to_x, (to + 2) % 4]
                    message_to_neighbour(total, messages[y, x, to], alpha, truncation, shift, message)


@compiled
def message_between_layers(other, costs, message):
    """Write the message to one label of a pixel: the least sum, over its other label, of belief and data term."""
    least = np.float32(np.inf)
    for a in range(len(message)):
        best = np.float32(np.inf)
        for b in range(len(other)):
            best = min(best, other[b] + costs[a, b])
        message[a] = best
        least = min(least, best)
    message -= least


@compiled
def message_to_neighbour(total, received, alpha, truncation, shift, message):
    """Write the message to a neighbour whose window lies `shift` further: the lower envelope of cones, in two passes,
    cut off at `truncation` above the least. `received` is the last message from this neighbour.
    """
    labels = len(total)
    envelope = np.empty(labels, np.float32)
    least = np.float32(np.inf)
    for a in range(labels):
        envelope[a] = total[a] - received[a]
        least = min(least, envelope[a])
        if a and envelope[a - 1] + alpha < envelope[a]:
            envelope[a] = envelope[a - 1] + alpha
    for a in range(labels - 2, -1, -1):
        envelope[a] = min(envelope[a], envelope[a + 1] + alpha)
    lowest = np.float32(np.inf)
    for b in range(labels):
        a = min(max(b + shift, 0), labels - 1)
        beyond = alpha * np.float32(abs(b + shift - a))  # outside the window the cones go on
        message[b] = min(envelope[a] + beyond, least + truncation)
        lowest = min(lowest, message[b])
    message -= lowest
