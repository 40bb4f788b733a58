"""Lightning: each epoch is reported, and a trial whose worker is lost goes on from Lightning's own checkpoint."""

from pathlib import Path

import lightning
import torch
from sklearn.datasets import load_digits

import manyhands as mh

X, Y = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
TRAIN, VALID = torch.utils.data.random_split(
    torch.utils.data.TensorDataset(X.float() / 16, Y), [0.7, 0.3], torch.Generator().manual_seed(0)
)


class Model(lightning.LightningModule):
    """Two layers."""

    def __init__(self, params):
        super().__init__()
        units, self.rate = params["units"], params["rate"]
        self.layers = torch.nn.Sequential(torch.nn.Linear(64, units), torch.nn.ReLU(), torch.nn.Linear(units, 10))

    def training_step(self, batch, _):
        """The loss of a batch."""
        return torch.nn.functional.cross_entropy(self.layers(batch[0]), batch[1])

    def validation_step(self, batch, _):
        """Log the loss of a batch."""
        self.log("val_loss", self.training_step(batch, _))

    def configure_optimizers(self):
        """Adam."""
        return torch.optim.Adam(self.parameters(), self.rate)


def objective(params, trial):
    """The cross entropy on held-out data after 9 epochs."""
    lightning.seed_everything(0, verbose=False)
    last = Path(trial.checkpoint_dir) / "last.ckpt"
    checkpoint = lightning.pytorch.callbacks.ModelCheckpoint(last.parent, save_last=True)
    report = mh.callbacks.LightningCallback(trial, "val_loss")
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(max_epochs=9, accelerator="cpu", callbacks=[checkpoint, report], **quiet)
    load = torch.utils.data.DataLoader
    trainer.fit(Model(params), load(TRAIN, 32), load(VALID, 512), ckpt_path=str(last) if last.exists() else None)
    return trainer.callback_metrics["val_loss"]


if __name__ == "__main__":
    space = {"units": mh.Int(4, 256, log=True), "rate": mh.Float(1e-5, 0.1, log=True)}
    print(mh.tune(objective, space, scheduler="asha", max_trials=20, seed=0).summary())
