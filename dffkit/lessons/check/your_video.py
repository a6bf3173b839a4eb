"""The exercises of notebook 07, when to take a key frame and how far a box moves: the solutions, and the wrong ways."""

from dffkit.lessons.check.exercise import Example, Exercise, Mistake

# Exercise 1: is this a key frame?


def _is_key_frame(index: int, key_index: int, difference: float, threshold: float, longest: int) -> bool:
    return difference > threshold or index - key_index >= longest


is_key_frame = Exercise(
    "Exercise 1",
    _is_key_frame,
    [
        Example("frame 3 after key frame 0, and the picture has hardly changed", (3, 0, 2.0, 15.0, 10)),
        Example("frame 3 after key frame 0, and the picture is another one", (3, 0, 60.0, 15.0, 10)),
        Example("frame 10 after key frame 0, with 10 as the longest duration", (10, 0, 2.0, 15.0, 10)),
        Example("frame 9 after key frame 0, with 10 as the longest duration", (9, 0, 2.0, 15.0, 10)),
        Example("frame 20 after key frame 13, as there was a cut", (20, 13, 2.0, 15.0, 10)),
        Example("frame 26, and the last key frame was frame 13", (26, 13, 2.0, 15.0, 10)),
        Example("frame 25 after key frame 13, and another picture", (25, 13, 60.0, 15.0, 10)),
    ],
    [
        Mistake(
            "Count from the last key frame: after a cut the stretch begins anew, wherever that is.",
            lambda index, key_index, difference, threshold, longest: difference > threshold or index % longest == 0,
        ),
        Mistake(
            "A cut is reason enough by itself, and so is a long stretch: either of them, not both.",
            lambda index, key_index, difference, threshold, longest: (
                difference > threshold and index - key_index >= longest
            ),
        ),
        Mistake(
            "With duration l the next key frame is l frames after the last: at a distance of l already.",
            lambda index, key_index, difference, threshold, longest: (
                difference > threshold or index - key_index > longest
            ),
        ),
        Mistake(
            "With duration l the next key frame is l frames after the last, not one earlier.",
            lambda index, key_index, difference, threshold, longest: (
                difference > threshold or index - key_index >= longest - 1
            ),
        ),
        Mistake(
            "You look at the difference only: a slow change would never get a key frame.",
            lambda index, key_index, difference, threshold, longest: difference > threshold,
        ),
        Mistake(
            "You look at the distance only: after a cut the old features would be carried on.",
            lambda index, key_index, difference, threshold, longest: index - key_index >= longest,
        ),
        Mistake(
            "A small difference is a reason to go on, a large one to take a key frame: turn it round.",
            lambda index, key_index, difference, threshold, longest: (
                difference < threshold or index - key_index >= longest
            ),
        ),
    ],
)


# Exercise 2: how long a box that stays where it was overlaps the thing by half

longest_duration = Exercise(
    "Exercise 2",
    lambda width, speed: width // (3 * speed) + 1,
    [
        Example("a box 30 pixels wide that moves by 1 pixel a frame", (30, 1)),
        Example("a box 30 pixels wide that moves by 5 pixels a frame", (30, 5)),
        Example("a box 18 pixels wide that moves by 2 pixels a frame", (18, 2)),
        Example("a box 20 pixels wide that moves by 3 pixels a frame", (20, 3)),
        Example("a box 10 pixels wide that moves by 12 pixels a frame", (10, 12)),
    ],
    [
        Mistake(
            "With key frame duration l the oldest box is l - 1 frames old: one more than the frames it may age.",
            lambda width, speed: width // (3 * speed),
        ),
        Mistake(
            "That is half of the box's width. But what is united grows while what is shared shrinks: "
            "IoU = (w - d) / (w + d).",
            lambda width, speed: width // (2 * speed) + 1,
        ),
        Mistake(
            "That is half of the box's width, and with l the oldest box is only l - 1 frames old.",
            lambda width, speed: width // (2 * speed),
        ),
        Mistake(
            "That is where the two boxes no longer touch: they have to share half of what they cover together.",
            lambda width, speed: width // speed + 1,
        ),
        Mistake(
            "A key frame duration is a whole number of frames: round down.",
            lambda width, speed: width / (3 * speed) + 1,
        ),
        Mistake(
            "Round down: with the next larger l the last frames' boxes would overlap by less than half.",
            lambda width, speed: -(-width // (3 * speed)) + 1,
        ),
    ],
)
