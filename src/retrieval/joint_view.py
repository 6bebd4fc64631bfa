"""The joint view: photo and title as one vector, so that a neighbour must be alike in both at once.

A phone case photographed like a mug, titled like a curtain, has near neighbours in each view by
itself, and none in the joint one.
"""

import numpy as np

from ..fusion.views import PHOTO, View, Views

TITLE_VIEW = "title_embedding"
JOINT_VIEW = f"{PHOTO}+{TITLE_VIEW}"
JOINT_PARTS = frozenset({PHOTO, TITLE_VIEW})


def with_joint_view(views: Views) -> dict[str, View]:
    """Add the joint view where there are photos and titles.

    Returns
    -------
    dict
        `views`, and under `JOINT_VIEW` the two unit vectors side by side, shape
        ``(n, d_photo + d_title)``; zero and absent for a listing that lacks one of them.
    """
    if not views.keys() >= JOINT_PARTS:
        return dict(views)
    photo, title = views[PHOTO], views[TITLE_VIEW]
    if not (isinstance(photo.features, np.ndarray) and isinstance(title.features, np.ndarray)):
        return dict(views)
    present = photo.present & title.present
    features = np.hstack([photo.features, title.features]) * present[:, None]
    familiar = present & ~(photo.calibrates & title.calibrates)
    return {**views, JOINT_VIEW: View(features.astype(np.float32, copy=False), present, familiar)}
