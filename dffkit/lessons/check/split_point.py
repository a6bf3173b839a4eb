"""Exercise 2 of notebook 05, what a frame costs when layers move to the task network: the solution, and wrong ways."""

from dffkit.lessons.check.exercise import Example, Exercise, Mistake

_ALWAYS = "The moved layers run on every frame now, so they are part of what a propagated frame costs: add them on top."
_KEY_FRAME = "A key frame runs the same layers as before, whichever network they are called after: its cost stays."


def _ratio(flow: float, features: float, task: float, moved: float) -> float:
    return (flow + task + moved) / (features + task)


split_ratio = Exercise(
    "Exercise 2",
    _ratio,
    [
        Example("F 10, N_feat 100, N_task 5, nothing moved", (10.0, 100.0, 5.0, 0.0)),
        Example("F 10, N_feat 100, N_task 5, moved 20", (10.0, 100.0, 5.0, 20.0)),
        Example("F 13, N_feat 164, N_task 0, moved 33", (13.0, 164.0, 0.0, 33.0)),
        Example("F 2, N_feat 100, N_task 1, moved 90", (2.0, 100.0, 1.0, 90.0)),
    ],
    [
        Mistake(
            "You leave out what is moved: that is r of the default split point.",
            lambda flow, features, task, moved: (flow + task) / (features + task),
        ),
        Mistake(_KEY_FRAME, lambda flow, features, task, moved: (flow + task + moved) / (features + task + moved)),
        Mistake(_KEY_FRAME, lambda flow, features, task, moved: (flow + task + moved) / (features + task - moved)),
        Mistake(_KEY_FRAME, lambda flow, features, task, moved: (flow + task + moved) / (features - moved)),
        Mistake(_ALWAYS, lambda flow, features, task, moved: (flow + task) / (features - moved + task)),
        Mistake(_ALWAYS, lambda flow, features, task, moved: (flow + task - moved) / (features + task)),
        Mistake(
            "The task network's own layers run on every frame too, and on key frames: Eq. 5 has them above and below.",
            lambda flow, features, task, moved: (flow + moved) / features,
        ),
        Mistake(
            "A key frame runs the task network too: Eq. 5 has it below as well.",
            lambda flow, features, task, moved: (flow + task + moved) / features,
        ),
        Mistake(
            "A propagated frame runs the task network too: Eq. 5 has it above as well.",
            lambda flow, features, task, moved: (flow + moved) / (features + task),
        ),
        Mistake(
            "It is upside down: r is the propagated frame's cost over the key frame's.",
            lambda flow, features, task, moved: (features + task) / (flow + task + moved),
        ),
    ],
)
