import numpy as np
import pytest
from shelfsure.exploration.label_noise import LabelNoise
from shelfsure.exploration.labels import LabelDoubt, denials, find_doubts, pruned, say_doubt
from shelfsure.exploration.witnesses import Witness

NAMES = ("Lamps", "Rugs", "Kites")


def witness(answers):
    said = np.zeros((len(answers), 3))
    heard = np.array(answers) >= 0
    said[heard, np.array(answers)[heard]] = 1.0
    return Witness(said, heard)


def test_denials_tell_who_is_confirmed_by_nobody_and_who_by_all_the_same():
    #                    all deny, same | one confirms | deny apart | nobody heard | one alone
    answers = np.array([[1, 0, 1, -1, 1], [1, 1, 2, -1, -1]])
    labels, suggested = np.zeros(5, int), np.ones(5, int)
    denied, agreed = denials(answers, labels, suggested)
    assert denied.tolist() == [True, False, True, False, True]
    assert agreed.tolist() == [True, False, False, False, False]


def test_find_doubts_ranks_wrong_labels_before_doubtful_ones():
    labels = np.array([0, 0, 0, 1, 2])
    probabilities = np.array([[0.1, 0.9, 0], [0.3, 0.7, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    noise = LabelNoise(np.ones(1), 0.1, probabilities, np.array([0.9, 0.2, 0.3, 0.0, 0.0]))
    said = {"photo": witness([1, 1, 0, 1, 2]), "title": witness([0, 1, 0, 1, 2])}
    doubts = find_doubts(noise, probabilities, said, labels)
    assert [(d.place, d.doubt, d.suggested) for d in doubts] == [
        (0, "wrong_label", 1),
        (1, "doubtful_label", 1),
    ]
    assert doubts[0].witnesses == {"photo": 1, "title": 0}


def test_pruned_finds_what_confident_learning_finds():
    labels = np.repeat([0, 1], 20)
    probabilities = np.where(labels[:, None] == [0, 1], 0.95, 0.05)
    probabilities[3] = [0.02, 0.98]
    assert np.flatnonzero(pruned(probabilities, labels)).tolist() == [3]


def test_pruned_asks_nobody_where_a_category_has_no_listing():
    assert not pruned(np.full((4, 3), 1 / 3), np.array([0, 0, 1, 1])).any()


@pytest.mark.parametrize(
    ("witnesses", "said"),
    [
        (
            {"photo": 1, "title": 1, "neighbours": 1},
            "Photo, title and neighbours say Rugs. Probability of a wrong label: 93%.",
        ),
        (
            {"photo": 1, "title": 0},
            "Photo says Rugs; title says Lamps, as labelled. Probability of a wrong label: 93%.",
        ),
        (
            {"photo": 2, "neighbours": 0},
            (
                "Photo says Kites; neighbours say Lamps, as labelled; together they look like "
                "Rugs. Probability of a wrong label: 93%."
            ),
        ),
    ],
)
def test_say_doubt_names_who_says_what(witnesses, said):
    assert say_doubt(LabelDoubt(0, "wrong_label", 1, 0.93, witnesses), 0, NAMES) == said
