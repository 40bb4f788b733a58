"""TransformersCallback in the ``Trainer`` of Transformers, with a model of four weights."""

import subprocess
import sys

import pytest
from tests.trainers import X, Y, failure, steps, tune, values

import manyhands as mh

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")  # of PyTorch's data loaders, on machines without a GPU

ROWS = [{"x": torch.from_numpy(x), "labels": torch.tensor(y)} for x, y in zip(X, Y, strict=True)]


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x, labels):
        predicted = self.layer(x)[:, 0]
        return {"loss": ((predicted - labels) ** 2).mean(), "logits": predicted}


@pytest.fixture
def train(tmp_path):
    """Train for 3 epochs of 5 steps."""

    def run(params, *callbacks, held_out=ROWS[40:], resume=False, **given):
        settings = {
            "output_dir": str(tmp_path),
            "num_train_epochs": 3,
            "per_device_train_batch_size": 8,
            "learning_rate": params["rate"],
            "eval_strategy": "epoch",
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "use_cpu": True,
        }
        arguments = transformers.TrainingArguments(**{**settings, **given})
        callbacks = list(callbacks)
        trainer = transformers.Trainer(
            Model(), arguments, train_dataset=ROWS[:40], eval_dataset=held_out, callbacks=callbacks
        )
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    return run


def losses(trainer):
    return [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]


class Diary(transformers.TrainerCallback):
    def __init__(self, seen):
        self.seen = seen

    def on_epoch_end(self, args, state, control, **kwargs):
        self.seen.append(round(state.epoch))

    def on_save(self, args, state, control, **kwargs):
        self.seen.append("saved")

    def on_train_end(self, args, state, control, **kwargs):
        self.seen.append("end")


def test_each_epoch_is_reported_with_the_other_metrics(train):
    trainers = []

    def objective(params, trial):
        trainers.append(train(params, mh.callbacks.TransformersCallback(trial, "eval_loss")))
        return 0.0

    study = tune(objective, max_trials=1)

    assert study.trials[0].state == "finished"
    assert steps(study, 0) == [1, 2, 3]
    assert values(study, 0) == losses(trainers[0])
    assert "eval_runtime" in study.reports(0)[0].metrics


def test_evaluations_between_epochs_are_reported_by_optimizer_steps(train):
    def objective(params, trial):
        train(params, mh.callbacks.TransformersCallback(trial, "eval_loss"), eval_strategy="steps", eval_steps=4)
        return 0.0

    study = tune(objective, stop_at={1: 8})

    assert (steps(study, 0), steps(study, 1)) == ([4, 8, 12, 15], [4, 8])
    assert [trial.state for trial in study.trials] == ["finished", "stopped"]


def test_a_last_epoch_that_is_cut_short_counts(train):
    def objective(params, trial):
        train(params, mh.callbacks.TransformersCallback(trial, "eval_loss"), max_steps=12)
        return 0.0

    assert steps(tune(objective, max_trials=1), 0) == [1, 2, 3]


def test_a_trial_is_stopped_after_its_epoch_and_other_callbacks_are_told(train):
    seen = []

    def objective(params, trial):
        try:
            train(params, Diary(seen), mh.callbacks.TransformersCallback(trial, "eval_loss"), save_strategy="epoch")
        finally:
            seen.append("left")
        seen.append("after")
        return 0.0

    study = tune(objective, stop_at={0: 2})

    assert [trial.state for trial in study.trials] == ["stopped", "finished"]
    assert study.trials[0].reason == "enough"
    assert (steps(study, 0), steps(study, 1)) == ([1, 2], [1, 2, 3])
    n = seen.index("left") + 1
    assert seen[:n] == [1, "saved", 2, "saved", "end", "left"]
    assert seen[n:] == [1, "saved", 2, "saved", 3, "saved", "end", "left", "after"]


def test_a_trial_goes_on_from_a_checkpoint_of_transformers(train, tmp_path):
    def objective(params, trial):
        callback = mh.callbacks.TransformersCallback(trial, "eval_loss")
        train(params, callback, save_strategy="epoch", resume=any(tmp_path.glob("checkpoint-*")))
        return 0.0

    stopped, rest = tune(objective, stop_at={0: 2}, max_trials=1), tune(objective, max_trials=1)

    assert (steps(stopped, 0), steps(rest, 0)) == ([1, 2], [3])
    assert rest.trials[0].state == "finished"


def test_of_several_evaluation_sets_one_is_reported_with_what_came_before(train):
    held_out = {"a": ROWS[40:50], "b": ROWS[50:], "c": ROWS[45:55]}

    def objective(params, trial):
        train(params, mh.callbacks.TransformersCallback(trial, "eval_b_loss"), held_out=held_out)
        return 0.0

    study = tune(objective, stop_at={0: 2})

    assert (steps(study, 0), steps(study, 1)) == ([1, 2], [1, 2, 3])
    assert study.trials[0].state == "stopped"
    assert "eval_a_loss" in study.reports(0)[0].metrics


def test_an_evaluation_after_the_training_is_not_reported(train):
    def objective(params, trial):
        return train(params, mh.callbacks.TransformersCallback(trial, "eval_loss")).evaluate(ROWS[40:])["eval_loss"]

    study = tune(objective, max_trials=1)

    assert study.trials[0].state == "finished"
    assert steps(study, 0) == [1, 2, 3]


@pytest.mark.parametrize("held_out", [ROWS[40:], {"a": ROWS[40:50], "b": ROWS[50:]}])
@pytest.mark.parametrize("n_epochs", [1, 3])
def test_a_metric_that_is_not_there_fails_the_trial_and_is_told(train, held_out, n_epochs):
    def objective(params, trial):
        callback = mh.callbacks.TransformersCallback(trial, "eval_accuracy")
        train(params, callback, held_out=held_out, num_train_epochs=n_epochs)
        return 0.0

    reason = failure(objective)

    assert "no metric 'eval_accuracy' to report" in reason
    assert "'eval_loss'" in reason or "'eval_b_loss'" in reason


TOGETHER = """
import os, sys
sys.path[:] = %r
import warnings
warnings.simplefilter("ignore")
import manyhands as mh
from tests.integration.test_callbacks_transformers import Diary, Model, ROWS, transformers

class Trial:
    def report(self, value, step, **metrics):
        if step == 2:
            raise mh.TrialStopped("enough")

rank = int(os.environ["RANK"])
seen = []
callbacks = [Diary(seen), mh.callbacks.TransformersCallback(None if rank else Trial(), "eval_loss")]
settings = {"num_train_epochs": 4, "per_device_train_batch_size": 4, "eval_strategy": "epoch", "save_strategy": "no"}
arguments = transformers.TrainingArguments(
    sys.argv[1], report_to="none", disable_tqdm=True, use_cpu=True, ddp_backend="gloo", **settings
)
try:
    data = {"train_dataset": ROWS[:40], "eval_dataset": ROWS[40:]}
    transformers.Trainer(Model(), arguments, callbacks=callbacks, **data).train()
except mh.TrialStopped:
    with open(f"{sys.argv[1]}/{rank}", "w") as file:
        print(arguments.world_size, *seen, file=file)
"""


@pytest.mark.slow
def test_processes_that_train_together_stop_together(tmp_path):
    script = tmp_path / "together.py"
    script.write_text(TOGETHER % sys.path)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]

    process = subprocess.Popen([*launcher, str(tmp_path)], stderr=subprocess.PIPE, text=True)
    try:
        _, errors = process.communicate(timeout=90)
    finally:
        process.terminate()  # and what it has launched

    assert process.returncode == 0, errors
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["2 1 2 end\n"] * 2
