"""LightningCallback in Lightning's ``Trainer``, imported under both of its names."""

import logging
import os

import pytest
from tests.trainers import X, Y, failure, steps, tune, values

import manyhands as mh

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning.pytorch")
pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice on speed, and its own use of what is deprecated

DATA = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))


@pytest.fixture(autouse=True)
def few_words():
    for name in ("lightning.pytorch", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)


def make_model(params, package=lightning, seen=None):
    class Model(package.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def loss(self, batch):
            x, y = batch
            return ((self.layer(x)[:, 0] - y) ** 2).mean()

        def training_step(self, batch, _):
            loss = self.loss(batch)
            self.log("train_loss", loss, on_epoch=True, on_step=False)
            return loss

        def validation_step(self, batch, _):
            self.log("val_loss", self.loss(batch))
            self.log("n", 3.0)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), params["rate"])

        def on_fit_end(self):
            if seen is not None:
                seen.append("fit end")

    return Model()


def fit(params, *callbacks, n_epochs=4, model=None, package=lightning, validates=True, ckpt_path=None, **given):
    settings = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = package.Trainer(max_epochs=n_epochs, callbacks=list(callbacks), **{**settings, **given})
    model = make_model(params, package) if model is None else model
    load = torch.utils.data.DataLoader
    trainer.fit(model, load(DATA, batch_size=16), load(DATA, batch_size=64) if validates else None, ckpt_path=ckpt_path)
    return trainer


class Diary(lightning.Callback):
    def __init__(self, seen):
        self.seen = seen
        self.losses = []

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.losses.append(trainer.callback_metrics["val_loss"].item())

    def on_train_epoch_end(self, trainer, pl_module):
        self.seen.append(trainer.current_epoch)

    def on_train_end(self, trainer, pl_module):
        self.seen.append("train end")

    def teardown(self, trainer, pl_module, stage):
        self.seen.append("teardown")

    def on_exception(self, trainer, pl_module, exception):
        self.seen.append(type(exception).__name__)


@pytest.mark.parametrize("name", ["lightning.pytorch", "pytorch_lightning"])
def test_each_epoch_is_reported_with_the_other_metrics(name):
    package = pytest.importorskip(name)
    diary = Diary([])

    def objective(params, trial):
        fit(params, mh.callbacks.LightningCallback(trial, "val_loss"), diary, package=package)
        return 0.0

    study = tune(objective, max_trials=1)

    assert study.trials[0].state == "finished", study.trials[0].reason
    assert steps(study, 0) == [1, 2, 3, 4]
    assert values(study, 0) == diary.losses
    assert [report.metrics["n"] for report in study.reports(0)] == [3.0] * 4
    assert len({report.metrics["train_loss"] for report in study.reports(0)}) == 4, "of this epoch, not the last one"


def test_a_trial_is_stopped_after_its_epoch_and_all_is_cleaned_up(tmp_path):
    seen = []

    def objective(params, trial):
        checkpoint = lightning.callbacks.ModelCheckpoint(tmp_path, f"trial-{trial.id}-{{epoch}}", save_top_k=-1)
        report = mh.callbacks.LightningCallback(trial, "val_loss")
        model = make_model(params, seen=seen)
        try:
            fit(params, Diary(seen), report, checkpoint, model=model, enable_checkpointing=True)
        finally:
            seen.append("left")
        seen.append("after")
        return 0.0

    study = tune(objective, stop_at={0: 2})

    assert [trial.state for trial in study.trials] == ["stopped", "finished"]
    assert study.trials[0].reason == "enough"
    assert (steps(study, 0), steps(study, 1)) == ([1, 2], [1, 2, 3, 4])
    n = seen.index("left") + 1
    assert seen[:n] == [0, 1, "train end", "fit end", "teardown", "TrialStopped", "left"]
    assert seen[n:] == [0, 1, 2, 3, "train end", "fit end", "teardown", "left", "after"]
    assert sorted(path.name for path in tmp_path.glob("trial-0-*")) == ["trial-0-epoch=0.ckpt", "trial-0-epoch=1.ckpt"]


def test_a_trial_goes_on_from_a_checkpoint_of_lightning(tmp_path):
    def objective(params, trial):
        checkpoint = lightning.callbacks.ModelCheckpoint(tmp_path, save_last=True)
        last = tmp_path / "last.ckpt"
        report = mh.callbacks.LightningCallback(trial, "val_loss")
        path = str(last) if last.exists() else None
        fit(params, checkpoint, report, ckpt_path=path, enable_checkpointing=True)
        return 0.0

    stopped, rest = tune(objective, stop_at={0: 2}, max_trials=1), tune(objective, max_trials=1)

    assert (steps(stopped, 0), steps(rest, 0)) == ([1, 2], [3, 4])
    assert rest.trials[0].state == "finished"


def test_a_training_without_validation_is_reported_each_epoch():
    def objective(params, trial):
        fit(params, mh.callbacks.LightningCallback(trial, "train_loss"), validates=False)
        return 0.0

    study = tune(objective, stop_at={1: 3})

    assert (steps(study, 0), steps(study, 1)) == ([1, 2, 3, 4], [1, 2, 3])
    assert study.trials[1].state == "stopped"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"check_val_every_n_epoch": 2}, [2, 4]),  # epochs
        ({"val_check_interval": 0.5}, [2, 4, 6, 8, 10, 12, 14, 16]),  # optimizer steps, 4 in an epoch
        ({"val_check_interval": 3, "check_val_every_n_epoch": None}, [3, 6, 9, 12, 15]),
    ],
)
def test_validations_that_are_not_once_an_epoch_are_reported(settings, expected):
    def objective(params, trial):
        fit(params, mh.callbacks.LightningCallback(trial, "val_loss"), **settings)
        return 0.0

    study = tune(objective, stop_at={1: expected[1]})

    assert (steps(study, 0), steps(study, 1)) == (expected, expected[:2])
    assert [trial.state for trial in study.trials] == ["finished", "stopped"]


def test_a_trial_that_has_to_reach_min_epochs_is_stopped_then():
    def objective(params, trial):
        fit(params, mh.callbacks.LightningCallback(trial, "val_loss"), min_epochs=3)
        return 0.0

    study = tune(objective, stop_at={0: 1}, max_trials=1)

    assert (study.trials[0].state, steps(study, 0)) == ("stopped", [1, 2, 3])


def test_a_validation_after_the_training_is_not_reported():
    def objective(params, trial):
        model = make_model(params)
        trainer = fit(params, mh.callbacks.LightningCallback(trial, "val_loss"), model=model, val_check_interval=0.5)
        return trainer.validate(model, torch.utils.data.DataLoader(DATA), verbose=False)[0]["val_loss"]

    study = tune(objective, max_trials=1)

    assert study.trials[0].state == "finished"
    assert len(steps(study, 0)) == 8


def test_a_metric_that_is_not_there_fails_the_trial_and_is_told():
    def objective(params, trial):
        fit(params, mh.callbacks.LightningCallback(trial, "val_acc"))
        return 0.0

    reason = failure(objective)

    assert "no metric 'val_acc' to report" in reason
    assert "'val_loss'" in reason


def test_processes_that_train_together_stop_together(tmp_path):
    class Trial:
        """Says that the trial need not go on after its second report, wherever it is."""

        def report(self, value, step, **metrics):
            with (tmp_path / "reports").open("a") as file:
                print(os.environ["LOCAL_RANK"], step, file=file)
            if step == 2:
                raise mh.TrialStopped("enough")

    class Forgiving(mh.callbacks.LightningCallback):
        def on_fit_start(self, trainer, pl_module):
            self._reporter._pid = os.getpid()  # the stand-in above can report from anywhere

        def on_train_end(self, trainer, pl_module):
            with (tmp_path / "ends").open("a") as file:
                print(trainer.global_rank, trainer.current_epoch, file=file)

    with pytest.raises(Exception, match="terminated"):  # as they do when any of them raises
        fit({"rate": 0.01}, Forgiving(Trial(), "val_loss"), strategy="ddp_fork", devices=2)

    assert sorted((tmp_path / "ends").read_text().splitlines()) == ["0 2", "1 2"], "after two epochs"
    assert (tmp_path / "reports").read_text().splitlines() == ["0 1", "0 2"]


def test_forked_processes_are_told_that_they_cannot_report():
    class Trial:
        def report(self, value, step, **metrics):
            pytest.fail("this would go nowhere")

    with pytest.raises(Exception, match="has no way to report"):
        fit({"rate": 0.01}, mh.callbacks.LightningCallback(Trial(), "val_loss"), strategy="ddp_fork", devices=2)
