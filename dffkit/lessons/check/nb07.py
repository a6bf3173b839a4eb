"""Exercises of notebook 07: when to take a key frame, and how long a still box overlaps its moving object by half."""

from dffkit.lessons.check import Example, Exercise, Mistake

is_key_frame = Exercise(
    "Exercise 1",
    lambda index, key_index, difference, threshold, longest: difference > threshold or index - key_index >= longest,
    [
        Example("frame 3 after key frame 0, and the picture has hardly changed", (3, 0, 2.0, 15.0, 10)),
        Example("frame 3 after key frame 0, and the picture is a different one", (3, 0, 60.0, 15.0, 10)),
        Example("frame 10 after key frame 0, with 10 as the longest duration", (10, 0, 2.0, 15.0, 10)),
        Example("frame 9 after key frame 0, with 10 as the longest duration", (9, 0, 2.0, 15.0, 10)),
        Example("frame 20 after key frame 13, as there was a cut", (20, 13, 2.0, 15.0, 10)),
        Example("frame 26, and the last key frame was frame 13", (26, 13, 2.0, 15.0, 10)),
        Example("frame 25 after key frame 13, and a different picture", (25, 13, 60.0, 15.0, 10)),
    ],
    [
        Mistake("Count from the last key frame: after a cut the count begins anew.",
                lambda index, key_index, difference, threshold, longest: (
                    difference > threshold or index % longest == 0)),
        Mistake("A cut alone is a reason, and so is a long distance: one of them is enough.",
                lambda index, key_index, difference, threshold, longest: (
                    difference > threshold and index - key_index >= longest)),
        Mistake("With duration l the next key frame is l frames after the last: a distance of exactly l is enough.",
                lambda index, key_index, difference, threshold, longest: (
                    difference > threshold or index - key_index > longest)),
        Mistake("You look at the difference only: a slow change would never get a key frame.",
                lambda index, key_index, difference, threshold, longest: difference > threshold),
        Mistake("You look at the distance only: after a cut the old features would be carried on.",
                lambda index, key_index, difference, threshold, longest: index - key_index >= longest),
    ],
)  # fmt: skip

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
        Mistake("With key frame duration l the oldest box is l - 1 frames old: add one to the frames it may age.",
                lambda width, speed: width // (3 * speed)),
        Mistake("That is half of the box's width. But the union grows while the overlap shrinks: "
                "IoU = (w - d) / (w + d).",
                lambda width, speed: width // (2 * speed) + 1),
        Mistake("That is half of the box's width, and with l the oldest box is only l - 1 frames old.",
                lambda width, speed: width // (2 * speed)),
        Mistake("There the two boxes no longer touch: they have to share half of the area they cover together.",
                lambda width, speed: width // speed + 1),
        Mistake("A key frame duration is a whole number of frames: round down.",
                lambda width, speed: width / (3 * speed) + 1),
    ],
)  # fmt: skip
