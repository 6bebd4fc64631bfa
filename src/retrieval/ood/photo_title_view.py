"""The photo-title view: both as one vector, so that a neighbour must be alike in both at once.

A phone case photographed like a mug, titled like a curtain, has near neighbours in each view by
itself, and none in the photo-title view.
"""

from dataclasses import replace

import numpy as np

from ...fusion.views import PHOTO, View, Views

TITLE_VIEW = "title_embedding"
JOINT_VIEW = f"{PHOTO}+{TITLE_VIEW}"
JOINT_PARTS = frozenset({PHOTO, TITLE_VIEW})


def with_joint_view(views: Views) -> dict[str, View]:
    """Add the photo-title view where there are photos and titles.

    Under `JOINT_VIEW` lie the two unit vectors side by side, shape ``(n, d_photo + d_title)``; zero
    and absent for a listing that lacks one of them.
    """
    if not views.keys() >= JOINT_PARTS:
        return dict(views)
    photo, title = views[PHOTO], views[TITLE_VIEW]
    if not (isinstance(photo.features, np.ndarray) and isinstance(title.features, np.ndarray)):
        return dict(views)
    fold_encoders = tuple(_side_by_side(each, title) for each in photo.fold_encoders)
    return {**views, JOINT_VIEW: replace(_side_by_side(photo, title), fold_encoders=fold_encoders)}


def _side_by_side(photo: View, title: View) -> View:
    present = photo.present & title.present
    features = np.hstack([photo.array, title.array]) * present[:, None]
    in_encoder_train_set = None
    if photo.in_encoder_train_set is not None:
        in_encoder_train_set = present & photo.in_encoder_train_set
    return View(features.astype(np.float32, copy=False), present, in_encoder_train_set)
