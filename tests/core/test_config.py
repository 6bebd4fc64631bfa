from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.core.config import (
    PROFILES,
    Config,
    ImageConfig,
    load_config,
    load_yaml,
    parse_config,
)
from shelfsure.core.errors import ConfigError
from shelfsure.monitoring.retraining.config import RetrainConfig

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return tmp_path / "own.yaml"


def test_shipped_configs_load_and_say_how_to_run_them() -> None:
    paths = sorted(CONFIGS.glob("*.yaml"))
    assert {path.stem for path in paths} >= set(PROFILES)
    for path in paths:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith(
            ("# shelfsure train ", "# shelfsure finetune ", "# shelfsure retrain ")
        )
        assert not first.startswith("# shelfsure train ") or load_config(path)
        assert f"configs/{path.name}" in first


@pytest.mark.parametrize("name", PROFILES)
def test_load_config_finds_the_shipped_profiles_by_name(name: str) -> None:
    assert load_config(name) == load_config(CONFIGS / f"{name}.yaml")


def test_the_starter_profile_is_the_default() -> None:
    assert load_config() == load_config("starter") == Config()


def test_given_values_replace_the_profiles_and_none_does_not() -> None:
    config = load_config("full", levels=3, seed=None)
    assert (config.levels, config.seed) == (3, 0)
    assert config.image.weights == "tf_efficientnetv2_s.in21k_ft_in1k"


def test_old_names_are_read(config_file: Path) -> None:
    config_file.write_text("retrieval:\n  joint: ViT-B-32\n  gate: statistics\n")
    retrieval = load_config(config_file).retrieval
    assert (retrieval.image_text_space, retrieval.ood_detector) == ("ViT-B-32", "statistics")


def test_load_config_fills_in_what_a_file_leaves_out(config_file: Path) -> None:
    config_file.write_text("levels: 2\naccept:\n  target_precision: 0.9\n")
    config = load_config(config_file)
    assert (config.levels, config.accept.target_precision) == (2, 0.9)
    assert config.accept.confidence == Config().accept.confidence
    assert config.image == Config().image


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n"])
def test_load_config_of_an_empty_file_is_the_starter_profile(config_file: Path, text: str) -> None:
    config_file.write_text(text)
    assert load_config(config_file) == Config()


def test_load_config_reports_every_problem_at_once(config_file: Path) -> None:
    config_file.write_text(
        "levels: none\nlevel: 2\nimage:\n  side_px: 7\naccept:\n  target_precision: 97\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(config_file)
    message = str(caught.value)
    assert message.startswith(f"{config_file} has 4 problem(s)")
    for place in ("levels", "level", "image.side_px", "accept.target_precision"):
        assert f"\n  {place}: " in message
    for received in ("got 'none'", "got 2", "got 7", "got 97"):
        assert received in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- levels\n", r"the file: .*got \['levels'\]"),
        ("just words\n", "the file: .*got 'just words'"),
        ("levels: [1\n", "must be YAML in UTF-8, but"),
        ("!!python/object/apply:os.getcwd []\n", "must be YAML in UTF-8, but"),
    ],
)
def test_load_config_refuses_what_is_no_configuration(
    config_file: Path, text: str, message: str
) -> None:
    config_file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(config_file)


def test_load_config_refuses_bytes_that_are_not_utf8(config_file: Path) -> None:
    config_file.write_bytes(b"image:\n  weights: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"must be YAML in UTF-8, but.*0xe9"):
        load_config(config_file)


def test_load_config_names_the_profiles_where_there_is_no_such_file() -> None:
    with pytest.raises(
        ConfigError, match=r"starter or starter-large or full or a YAML file, but startr is neither"
    ):
        load_config("startr")


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 97])
def test_parse_config_holds_shares_between_0_and_1(share: float) -> None:
    with pytest.raises(ConfigError, match=f"accept.confidence: .*got {share}"):
        parse_config(Config, {"accept": {"confidence": share}}, "The configuration")


@given(
    levels=st.integers(1, 10),
    min_examples=st.integers(2, 10**6),
    share=st.floats(0, 1, exclude_min=True, exclude_max=True),
    fusion=st.sampled_from(["pool", "concatenation", "stacking"]),
    side_px=st.none() | st.integers(32, 1024),
)
def test_config_survives_yaml(
    levels: int, min_examples: int, share: float, fusion: str, side_px: int | None
) -> None:
    given_values = {
        "levels": levels,
        "min_examples": min_examples,
        "accept": {"target_precision": share},
        "fusion": fusion,
        "image": {"side_px": side_px},
    }
    config = parse_config(Config, given_values, "x")
    assert config.image.side_px == side_px
    again = yaml.safe_load(yaml.safe_dump(config.model_dump()))
    assert parse_config(Config, again, "x") == config


def test_image_config_asks_the_starter_weights_for_the_whole_photo() -> None:
    """Only they are: what others were trained with is theirs to say."""
    own = [Config().image, ImageConfig(weights="starter"), load_config().image]
    assert {(image.side_px, image.crop_mode) for image in own} == {(288, "auto")}
    joined = ImageConfig(weights="starter+efficientnet-lite1")
    assert (joined.side_px, joined.crop_mode) == (288, "auto")
    with pytest.raises(ConfigError, match=r"image\.weights: Input should be a valid string; got 7"):
        parse_config(Config, {"image": {"weights": 7}}, "own.yaml")
    other = ImageConfig(weights="local-dir:runs/ft")
    assert (other.side_px, other.crop_mode) == (None, None)
    assert ImageConfig(side_px=None).side_px is None
    for image in (*own, other, ImageConfig(side_px=None, crop_mode="squash")):
        assert ImageConfig.model_validate(image.model_dump()) == image


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", "the file: Input should be settings, as name: value; got ['a']"),
        ("out: x\n", "catalogue: must be given, but is missing"),
        ("catalogue: a\nout: x\nwith: r.sqlite\n", "with: Input should be a list, as [one, two]"),
        ("catalogue: [a]\nout: x\n", "catalogue: Input should be a path; got ['a']"),
        ("catalogue: a\nout: x\nlevel: 2\n", "level: There is no such setting; got 2"),
        ("catalogue: a\nout: x\nread: [1]\n", "read: Input should be settings, as name: value"),
    ],
)
def test_problems_are_said_in_words_of_the_file(text: str, said: str, config_file: Path) -> None:
    config_file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_yaml(RetrainConfig, config_file, {})
    assert f"  {said}" in str(caught.value)
