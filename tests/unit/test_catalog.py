from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bertspec import optimizers
from bertspec.catalog import Catalog
from bertspec.config import EmaConfig
from bertspec.errors import FormerName, InvalidConfig, UnknownName

PACKAGED = Catalog.beside(Path("/nowhere"))


@pytest.fixture
def own(tmp_path: Path) -> Catalog:
    """A catalog with a folder of the user's own."""
    for kind in ("encoders", "tasks", "recipes", "optimizers"):
        (tmp_path / "configs" / kind).mkdir(parents=True)
    return Catalog.beside(tmp_path)


@pytest.mark.parametrize("name", PACKAGED.names("encoders"))
def test_every_encoder_loads(name: str) -> None:
    encoder = PACKAGED.encoder(name)
    assert encoder.name == name
    assert PACKAGED.recipe(encoder.recipe, encoder=encoder)


@pytest.mark.parametrize("name", PACKAGED.names("tasks"))
def test_every_task_loads(name: str) -> None:
    assert PACKAGED.task(name).name == name


def test_the_former_name_of_a_tasks_field_works_and_warns() -> None:
    with pytest.warns(FormerName, match="overlap_allowed is now called contamination_allowed"):
        task = PACKAGED.task("bundled/sentiment", {"overlap_allowed": 0.5})
    assert task.contamination_allowed == 0.5


@pytest.mark.parametrize("in_file", ["overlap_allowed", "contamination_allowed"])
@pytest.mark.parametrize("set_here", ["overlap_allowed", "contamination_allowed"])
@pytest.mark.filterwarnings("ignore::bertspec.errors.FormerName")
def test_what_is_set_comes_last_under_either_name(own: Catalog, in_file: str, set_here: str) -> None:
    text = f"dataset: org/data\ntext: text\nhead: regression\nmetrics: [pearson]\n{in_file}: 0.1\n"
    (own.folders[0] / "tasks" / "mine.yaml").write_text(text)
    assert own.task("mine").contamination_allowed == 0.1
    assert own.task("mine", {set_here: 0.5}).contamination_allowed == 0.5


def test_a_recipe_without_an_optimizer_is_refused_unless_one_is_named(own: Catalog) -> None:
    encoder, file = own.encoder("bert-tiny"), own.folders[0] / "recipes" / "mine.yaml"
    whole = (own.folders[1] / "recipes" / "from-scratch.yaml").read_text("utf-8")
    file.write_text(re.sub("^optimizer:.*\n", "", whole, flags=re.MULTILINE))
    with pytest.raises(InvalidConfig, match=re.escape(f"optimizer is missing; where: {file}")):
        own.recipe("mine", encoder=encoder)
    assert own.recipe("mine", encoder=encoder, optimizer="sgd").optimizer.name == "sgd"


@pytest.mark.parametrize("name", PACKAGED.names("optimizers"))
@pytest.mark.parametrize("encoder", ["minilm", "bert-tiny"])
def test_every_optimizer_loads(name: str, encoder: str) -> None:
    assert PACKAGED.optimizer(name, PACKAGED.encoder(encoder)).learning_rate > 0


@pytest.mark.parametrize("name", PACKAGED.names("recipes"))
def test_every_recipe_loads(name: str) -> None:
    assert PACKAGED.recipe(name, encoder=PACKAGED.encoder("minilm"))


def test_the_learning_rate_depends_on_where_training_starts() -> None:
    pretrained, scratch = (PACKAGED.optimizer("adamw", PACKAGED.encoder(name)) for name in ("minilm", "bert-tiny"))
    assert pretrained.learning_rate == 5e-5
    assert scratch.learning_rate == 1e-3


def test_a_hub_id_is_an_encoder() -> None:
    encoder = PACKAGED.encoder("google-bert/bert-base-cased")
    assert (encoder.checkpoint, encoder.from_scratch) == ("google-bert/bert-base-cased", False)


def test_a_folder_is_an_encoder(tmp_path: Path) -> None:
    assert PACKAGED.encoder(str(tmp_path)).checkpoint == str(tmp_path)


def test_a_config_of_the_users_own_comes_first(own: Catalog) -> None:
    (own.folders[0] / "encoders" / "bert-tiny.yaml").write_text("checkpoint: my/bert\n")
    assert own.encoder("bert-tiny").checkpoint == "my/bert"


def test_a_yaml_file_may_lie_anywhere(tmp_path: Path) -> None:
    file = tmp_path / "reviews.yaml"
    file.write_text("dataset: ./reviews.csv\ntext: t\nhead: regression\nmetrics: [pearson]\n")
    task = PACKAGED.task(str(file))
    assert (task.name, task.dataset) == ("reviews", str(tmp_path / "reviews.csv"))


def test_a_data_set_may_be_described_where_it_is_used(tmp_path: Path) -> None:
    fields = {"text": "text", "head": "regression", "metrics": ["pearson"]}
    assert PACKAGED.task("org/data", fields).dataset == "org/data"
    assert PACKAGED.task(str(tmp_path / "x.csv"), fields).dataset == str(tmp_path / "x.csv")
    assert PACKAGED.task("glue/sst2", {"evaluation_split": "test"}).evaluation_split == "test"
    with pytest.raises(InvalidConfig, match="head is missing"):
        PACKAGED.task("org/data", {"text": "text"})
    with pytest.raises(UnknownName):
        PACKAGED.task("org/data")


@pytest.mark.parametrize("word", ["../secrets", "/etc/passwd", "a b", "", "-x"])
def test_a_name_cannot_leave_its_folder(own: Catalog, word: str) -> None:
    (own.folders[0] / "secrets.yaml").write_text("{}")
    with pytest.raises(UnknownName):
        own.task(word)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset: [", "not YAML"),
        ("- a\n- b\n", "holds no fields"),
        ("dataset: x\ntext: t\nhead: regression\nmetrics: [pearson]\ncolour: red\n", "colour.*allowed: name, dataset"),
        ("dataset: x\nhead: regression\nmetrics: [pearson]\n", "text is missing"),
        ("dataset: x\ntext: t\nhead: regression\nmetrics: [persson]\n", "did you mean pearson"),
        ("dataset: x\ntext: t\nhead: regression\nmetrics: [accuracy]\n", "does not fit a regression head"),
        ("!!python/object/apply:os.system ['true']", "no text, number, true, false"),
    ],
)
def test_a_broken_config_is_refused_with_its_file(own: Catalog, text: str, message: str) -> None:
    (own.folders[0] / "tasks" / "mine.yaml").write_text(text)
    with pytest.raises((InvalidConfig, UnknownName), match=message):
        own.task("mine")


def test_two_learning_rates_have_their_names(own: Catalog) -> None:
    (own.folders[0] / "optimizers" / "mine.yaml").write_text("learning_rate: {slow: 1.0}\n")
    with pytest.raises(InvalidConfig, match="one number, or pretrained and from_scratch"):
        own.optimizer("mine", own.encoder("minilm"))


def test_a_scenario_may_set_fields_of_the_recipe_and_of_its_optimizer() -> None:
    encoder = PACKAGED.encoder("bert-tiny")
    changes = {"steps": 5, "learning_rate": 0.5}
    recipe = PACKAGED.recipe("from-scratch", encoder=encoder, optimizer="sgd", changes=changes)
    assert (recipe.steps, recipe.epochs, recipe.optimizer.learning_rate) == (5, None, 0.5)


@pytest.mark.parametrize("kind", ["encoder", "task", "recipe", "optimizer"])
def test_an_unknown_word_is_answered_with_known_names(kind: str) -> None:
    encoder = PACKAGED.encoder("bert-tiny")
    ask = {
        "encoder": lambda: PACKAGED.encoder("brt-tiny"),
        "task": lambda: PACKAGED.task("glue/sst-2"),
        "recipe": lambda: PACKAGED.recipe("from-scrath", encoder=encoder),
        "optimizer": lambda: PACKAGED.optimizer("adamm", encoder),
    }[kind]
    with pytest.raises(UnknownName, match=f"unknown {kind}.*did you mean"):
        ask()


@pytest.mark.parametrize("kind", ["encoder", "task", "recipe"])
def test_a_yaml_file_that_is_not_there_is_refused(kind: str) -> None:
    encoder = PACKAGED.encoder("bert-tiny")
    ask = {
        "encoder": lambda: PACKAGED.encoder("./no.yaml"),
        "task": lambda: PACKAGED.task("./no.yaml"),
        "recipe": lambda: PACKAGED.recipe("./no.yaml", encoder=encoder),
    }[kind]
    with pytest.raises(UnknownName, match=f"unknown {kind} file"):
        ask()


@pytest.mark.parametrize("name", PACKAGED.names("optimizers"))
@pytest.mark.parametrize("encoder", ["minilm", "bert-tiny"])
def test_every_optimizer_goes_with_the_recipe_of_every_encoder(name: str, encoder: str) -> None:
    found = PACKAGED.encoder(encoder)
    recipe = PACKAGED.recipe(found.recipe, encoder=found, optimizer=name)
    optimizers.check(recipe.optimizer, schedule=recipe.schedule)
    assert recipe.optimizer.name == name


def test_an_optimizer_brings_its_schedule_and_a_scenario_may_change_it() -> None:
    encoder = PACKAGED.encoder("bert-tiny")
    ask = {"encoder": encoder, "optimizer": "schedule-free-adamw"}
    assert PACKAGED.recipe("from-scratch", **ask).schedule == "constant"
    assert PACKAGED.recipe("from-scratch", **ask, changes={"schedule": "cosine"}).schedule == "cosine"


def test_an_optimizer_decides_no_more_of_a_recipe_than_its_schedule(own: Catalog) -> None:
    (own.folders[0] / "optimizers" / "mine.yaml").write_text("learning_rate: 1.0\nrecipe: {steps: 3}\n")
    with pytest.raises(InvalidConfig, match="no such field of a recipe.*allowed: schedule, warmup_fraction"):
        own.optimizer("mine", own.encoder("minilm"))


def test_fields_of_an_average_are_changed_one_by_one_and_another_kind_is_another_average() -> None:
    ask = {"encoder": PACKAGED.encoder("bert-tiny"), "optimizer": "swa"}
    kept = PACKAGED.recipe("from-scratch", **ask).optimizer.averaging
    later = PACKAGED.recipe("from-scratch", **ask, changes={"averaging": {"start": 0.9}}).optimizer.averaging
    other = PACKAGED.recipe("from-scratch", **ask, changes={"averaging": {"kind": "ema"}}).optimizer.averaging
    assert kept is not None
    assert later == kept.model_copy(update={"start": 0.9})
    assert other == EmaConfig(kind="ema")


@pytest.mark.parametrize("word", ["lbfgs"])
def test_an_optimizer_that_cannot_work_is_refused_with_the_reason(word: str) -> None:
    with pytest.raises(InvalidConfig, match="cannot train an encoder on batches.*line search.*some twenty backward"):
        PACKAGED.optimizer(word, PACKAGED.encoder("bert-tiny"))
    assert word not in PACKAGED.names("optimizers")


def test_a_seed_that_stands_twice_is_refused() -> None:
    encoder, task = PACKAGED.encoder("bert-tiny"), PACKAGED.task("bundled/sentiment")
    with pytest.raises(InvalidConfig, match=r"seeds \[1\] stand twice"):
        PACKAGED.plan(encoder=encoder, task=task, seeds=[1, 2, 1])


TINY = {"encoder": "bert-tiny", "task": "bundled/sentiment"}


def test_words_become_a_study() -> None:
    plan = PACKAGED.plan(**TINY, optimizer="sgd", steps=3, seeds=7)
    assert (plan.seeds, plan.recipe.steps, plan.recipe.optimizer.algorithm) == ((7,), 3, "sgd")


def test_a_study_has_three_seeds_and_the_encoders_own_recipe_unless_it_says_so() -> None:
    plan = PACKAGED.plan(**TINY)
    assert plan.seeds == (1, 2, 3)
    assert plan.recipe == PACKAGED.recipe("from-scratch", encoder=PACKAGED.encoder("bert-tiny"))


def test_configs_are_as_good_as_names() -> None:
    encoder, task = PACKAGED.encoder("bert-tiny"), PACKAGED.task("bundled/sentiment")
    assert PACKAGED.plan(encoder=encoder, task=task) == PACKAGED.plan(**TINY)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "bundled/sentiment"}, "encoder is missing; given: 'task'; allowed: encoder, task, recipe"),
        (
            {"encoder": "bert-tiny", "stepz": 3},
            "task is missing and stepz is not a known field: did you mean steps?; given: 'encoder, stepz'",
        ),
        ({**TINY, "colour.shade": "red"}, "colour is not a known field"),
        ({**TINY, "algorithm": "sgd"}, "algorithm is not a known field"),
        ({**TINY, "encoder": 3}, "encoder is a name; given: 3"),
        ({**TINY, "optimizer": 3}, "optimizer is a name; given: 3"),
        ({**TINY, "learning_rate": 0.1, "learning_rate_factor": 2}, "learning_rate and learning_rate_factor are both"),
        ({**TINY, "learning_rate_factor": -2}, "learning_rate_factor is not a number above zero; given: -2"),
        ({**TINY, "averaging": None, "averaging.start": 0.5}, "averaging and a field of it are both given"),
        ({**TINY, "averaging.start": 0.5}, "optimizer.averaging lacks its 'kind'"),
        ({**TINY, "tuning_share": 2}, "tuning_share: input should be less than 1; given: 2"),
        ({**TINY, "seeds": "one"}, "seeds.0: input should be a valid integer"),
    ],
)
def test_fields_that_describe_no_study_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidConfig, match=re.escape(message)):
        PACKAGED.plan(**fields)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_factor_multiplies_the_optimizers_own_rate(optimizer: str) -> None:
    own, faster = (PACKAGED.plan(**TINY, optimizer=optimizer, learning_rate_factor=factor) for factor in (1, 2.5))
    assert faster.recipe.optimizer.learning_rate == 2.5 * own.recipe.optimizer.learning_rate


def test_nested_and_dotted_names_are_the_same() -> None:
    dotted = PACKAGED.plan(**TINY, optimizer="sgd", **{"settings.momentum": 0.5})
    assert dotted == PACKAGED.plan(**TINY, optimizer="sgd", settings={"momentum": 0.5})
    assert dotted.recipe.optimizer.settings == {"momentum": 0.5, "nesterov": False}


def test_one_field_of_an_average_may_be_set() -> None:
    plan = PACKAGED.plan(**TINY, optimizer="swa", **{"averaging.start": 0.5})
    own = PACKAGED.plan(**TINY, optimizer="swa").recipe.optimizer.averaging
    assert own is not None
    assert plan.recipe.optimizer.averaging == own.model_copy(update={"start": 0.5})


def test_every_field_of_an_optimizer_may_be_set() -> None:
    optimizer = PACKAGED.plan(**TINY, layer_decay=0.9, decay_exempt="none", weight_decay=0.2).recipe.optimizer
    assert (optimizer.layer_decay, optimizer.decay_exempt, optimizer.weight_decay) == (0.9, "none", 0.2)


def test_a_tuning_share_is_a_field_of_the_task() -> None:
    assert PACKAGED.plan(**TINY, tuning_share=0.2).task.tuning_share == 0.2


TASK = "dataset: ./d.csv\ntext: t\nhead: classification\nmetrics: [accuracy]\n"


@pytest.mark.parametrize("labels", ["[no, yes]", "[off, on]", "[true, false]", "[a, y, No]"])
def test_labels_that_yaml_reads_as_truth_values_are_refused_with_the_quoted_form(own: Catalog, labels: str) -> None:
    (own.folders[0] / "tasks" / "mine.yaml").write_text(f"{TASK}labels: {labels}\n")
    with pytest.raises(
        InvalidConfig, match=r"labels\.\d: .*text in quotes; without them, YAML.*mine.yaml, line 5, labels"
    ):
        own.task("mine")


@pytest.mark.parametrize("labels", ["[1, 2]", "[0.0, 1.0]", "[null, a]", "[~, a]"])
def test_labels_that_are_no_text_are_refused_with_the_quoted_form(own: Catalog, labels: str) -> None:
    (own.folders[0] / "tasks" / "mine.yaml").write_text(f"{TASK}labels: {labels}\n")
    with pytest.raises(InvalidConfig, match=r"labels\.0: .*allowed: text in quotes.*mine.yaml, line 5, labels"):
        own.task("mine")


def test_labels_in_quotes_are_text(own: Catalog) -> None:
    (own.folders[0] / "tasks" / "mine.yaml").write_text(f"{TASK}labels: ['no', \"yes\", '1', 'null']\n")
    assert own.task("mine").labels == ("no", "yes", "1", "null")


def test_a_value_at_fault_is_named_with_its_line(own: Catalog) -> None:
    (own.folders[0] / "encoders" / "mine.yaml").write_text("family: bert\narchitecture:\n  hidden_size: [1]\n")
    with pytest.raises(InvalidConfig, match=r"mine.yaml, line 3, architecture.hidden_size"):
        own.encoder("mine")


def test_an_unknown_field_is_answered_with_the_closest(own: Catalog) -> None:
    recipe = (own.folders[1] / "recipes" / "from-scratch.yaml").read_text("utf-8")
    (own.folders[0] / "recipes" / "mine.yaml").write_text(f"{recipe}\nepoch: 3\n")
    with pytest.raises(InvalidConfig, match="epoch is not a known field: did you mean epochs?"):
        own.recipe("mine", encoder=own.encoder("bert-tiny"))


def test_a_name_without_its_owner_is_answered_with_the_form_of_a_hub_id(own: Catalog) -> None:
    with pytest.raises(UnknownName, match="; or a model of the hub as OWNER/NAME, such as google-bert/"):
        own.encoder("gpt2")


@pytest.mark.parametrize("word", ["reviews.csv", "./reviews.jsonl", "org/reviews"])
def test_rows_without_a_description_are_answered_with_what_a_task_needs(own: Catalog, word: str) -> None:
    with pytest.raises(UnknownName, match=f"; or a YAML file with dataset: {re.escape(word)}, and its columns"):
        own.task(word)


@pytest.mark.parametrize("kind", ["encoder", "task", "recipe", "optimizer"])
def test_a_long_name_is_unknown_and_shortened(own: Catalog, kind: str) -> None:
    look_up = {
        "encoder": own.encoder,
        "task": own.task,
        "recipe": lambda word: own.recipe(word, encoder=own.encoder("bert-tiny")),
        "optimizer": lambda word: own.optimizer(word, own.encoder("bert-tiny")),
    }
    with pytest.raises(UnknownName) as refusal:
        look_up[kind]("a" * 5000)
    assert len(str(refusal.value)) < 2000


def test_what_is_no_regular_file_is_no_config(own: Catalog) -> None:
    folder = own.folders[0] / "tasks"
    os.mkfifo(folder / "pipe.yaml")
    (folder / "loop.yaml").symlink_to("loop.yaml")
    for word in ("pipe", str(folder / "pipe.yaml"), "loop", str(folder / "loop.yaml")):
        with pytest.raises(InvalidConfig, match="cannot be read: (it is no regular file|Too many levels)"):
            own.task(word)


def test_a_path_that_leads_nowhere_is_no_error_of_ours(own: Catalog) -> None:
    folder = own.folders[0] / "tasks"
    (folder / "loop").symlink_to("loop")
    (folder / "mine.yaml").write_text(f"{TASK.replace('./d.csv', './loop/d.csv')}labels: [a, b]\n")
    assert own.task("mine").dataset.endswith("/loop/d.csv")
    for look_up in (own.encoder, own.task):
        with pytest.raises(InvalidConfig, match="nobody here has this home folder"):
            look_up("~nobody-of-that-name/x.yaml")
        with pytest.raises(InvalidConfig, match="has a null character"):
            look_up("./a\0b")


def test_limits_of_a_study_are_stated(own: Catalog) -> None:
    def plan(**fields: object) -> object:
        return own.plan(encoder="bert-tiny", task="bundled/sentiment", **fields)

    assert plan(steps=10_000_000)
    for fields, message in (
        ({"steps": 10_000_001}, "steps: input should be less than or equal to 10000000"),
        ({"steps": 10**30}, "steps: input should be less than or equal to 10000000"),
        ({"epochs": 1e300}, "epochs: input should be less than or equal to 10000000"),
        ({"seeds": range(1001)}, "seeds: tuple should have at most 1000 items"),
        ({"max_length": 10**12}, "max_length: input should be less than or equal to 1000000"),
        ({"batch_size": 10**30}, "batch_size: input should be less than or equal to 10000000"),
    ):
        with pytest.raises(InvalidConfig, match=message):
            plan(**fields)


def test_a_data_file_that_is_a_link_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("text,label\na,x\n")
    (tmp_path / "d.csv").symlink_to("blob")
    fields = "text: text\nhead: classification\nlabels: [x, y]\nmetrics: [accuracy]\n"
    (tmp_path / "t.yaml").write_text(f"dataset: ./d.csv\n{fields}")
    assert Catalog(()).task(str(tmp_path / "t.yaml")).dataset == str(tmp_path / "d.csv")
